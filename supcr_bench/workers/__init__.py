"""Worker processes: what runs in them, and the parent's side of it."""
