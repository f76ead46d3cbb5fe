"""Results as text, plots and HTML. Render functions return; only the command line prints."""
