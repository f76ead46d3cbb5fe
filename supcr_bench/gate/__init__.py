"""The gate: what changed in an implementation, held against a revision or a baseline file."""
