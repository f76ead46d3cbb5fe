"""Measures, in a worker, one workload and its implementations: agreement, memory, work, time."""
