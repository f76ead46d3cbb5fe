"""The float64 reference that implementations are held against, and the tolerances it implies."""
