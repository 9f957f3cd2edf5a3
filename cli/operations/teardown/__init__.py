"""The teardown of environments, in order, with the proof that nothing is left."""
