"""One file per implementation of the loss; each exports one constant, `IMPLEMENTATION`."""
