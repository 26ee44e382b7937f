"""Measurements: each a ratio taken in one run, so that it means the same on any machine."""
