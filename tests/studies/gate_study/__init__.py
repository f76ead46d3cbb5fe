"""A study of the gate's decisions: how often it cries wolf, and what it misses.

Real timings of identical and of slowed code are recorded, the gate's own decisions are replayed on
them many times, and real gate runs confirm what came of it. `make gate-study` runs all of it.
"""
