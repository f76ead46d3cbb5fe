"""Measures one cell inside a worker: agreement, memory, work, time."""
