"""Taking environments away, in order, and proving that nothing is left."""
