"""The implementation of the pytest plug-in, :mod:`supcr_bench.pytest_plugin`."""

TIME_LIMIT = "--supcr-time-limit"
"""The pytest option that limits the time of each case of a suite."""
