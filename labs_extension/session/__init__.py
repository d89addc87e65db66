"""What the server sees of people and their work, and what the student sees of their session."""
