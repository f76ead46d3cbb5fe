"""Charts of a run: drawn by matplotlib, then turned into SVG that follows a page's theme."""
