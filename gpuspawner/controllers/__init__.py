"""Hands: they observe, ask a rule, and take the step."""
