"""Pure rules: no I/O, no clock, no settings. They say what to do, why, and when to look again."""
