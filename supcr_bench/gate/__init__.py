"""The gate: whether an implementation got worse, compared with a git revision or a stored run."""
