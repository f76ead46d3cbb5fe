"""Plain values that every other floor may import: no torch, no pandas, no I/O."""
