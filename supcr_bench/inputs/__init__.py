"""Makes the input tensors of a case, equal on every machine and device."""
