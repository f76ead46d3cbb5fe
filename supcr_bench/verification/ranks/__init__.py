"""Verification of a loss over several ranks: its checks, expected answers and diagnosis."""
