"""Worker processes, which run implementations, and the parent's code that controls them."""
