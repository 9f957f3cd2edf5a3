"""Pulumi's value encoding: what the engine and the providers both speak, and all they share."""
