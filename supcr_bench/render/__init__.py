"""Turns results into text, plots and HTML; only the command line prints or writes them."""
