"""Figures derived from stored results: summaries, growth laws, comparisons, recommendations."""
