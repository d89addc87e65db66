"""Keeps what cells print while no page is there to take it, and puts it into their notebooks."""
