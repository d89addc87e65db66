"""On the machine: mounts the home, runs the single-user server, and speaks for the machine."""
