"""Plain data types that every other package may import: no torch, no pandas, no I/O."""
