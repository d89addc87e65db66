"""The controller's memory: the only code that speaks to its database."""
