"""Runs on disk, and the environment they were taken in."""
