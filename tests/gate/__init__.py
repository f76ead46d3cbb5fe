"""The gate: sampling, deciding, baselines, versions from git."""
