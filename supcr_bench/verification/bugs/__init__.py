"""Implementations that are wrong on purpose, one fault each, and the right ones they derive
from."""
