"""The implementations under test: where they come from and how they are loaded."""
