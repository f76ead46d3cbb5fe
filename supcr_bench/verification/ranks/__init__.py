"""Verification of a loss over several ranks, that is, processes that share one batch."""
