"""Pulumi resource providers that work on the stand-ins."""
