"""The implementation of the pytest plug-in, :mod:`supcr_bench.pytest_plugin`."""

TIME_LIMIT = "--supcr-time-limit"
"""The option that bounds the cases of suites."""
