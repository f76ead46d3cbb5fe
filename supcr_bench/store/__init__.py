"""Runs and reports on disk."""
