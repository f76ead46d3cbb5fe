"""Implementations that are wrong on purpose, and the correct ones that they derive from."""
