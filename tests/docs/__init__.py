"""Tests of README and docs/: examples run, and links lead somewhere."""
