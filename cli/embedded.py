"""Sandbox environments, deployed by the embedded engine. The only place that calls it."""
