"""Faces: what the hub, the machines and people see of the controller."""
