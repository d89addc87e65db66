"""Clouds on loopback, for the demo and the tests. Knows nothing of the rest, and the rest nothing of it."""
