"""Where a student's files are: the home, which is kept, and the rest, which is not."""
