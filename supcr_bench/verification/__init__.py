"""Verification: proves an implementation right, or diagnoses it."""
