"""Measures a suite: lays out its plan, forecasts costs, and runs cells on executors."""
