"""One file per check; each exports one constant, `CHECK`."""
