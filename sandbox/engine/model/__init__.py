"""Data of the engine: what was wanted, what is known, what is to be done. No I/O."""
