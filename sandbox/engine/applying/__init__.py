"""Carries decisions out: asks providers, records outcomes, tells what happens."""
