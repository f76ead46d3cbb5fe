"""The tensors of a case: the same on every machine and device."""
