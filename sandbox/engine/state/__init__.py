"""What outlives a run: checkpoint, journal, secrets, and the files and lock that hold them."""
