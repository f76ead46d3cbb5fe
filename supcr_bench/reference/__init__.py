"""The float64 reference that implementations are compared with, and its tolerances."""
