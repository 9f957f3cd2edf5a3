"""Data sources: what a program may ask without making anything."""
