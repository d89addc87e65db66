"""The clouds, behind one contract."""
