"""Log groups."""
