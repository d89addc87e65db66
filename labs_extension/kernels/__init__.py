"""Kernels whose packages survive a stop: what a student installs lands in the home."""
