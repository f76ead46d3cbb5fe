"""Figures derived from results: summaries, growth."""
