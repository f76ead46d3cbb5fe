"""Verification: prove an implementation right, or say what is wrong with it."""
