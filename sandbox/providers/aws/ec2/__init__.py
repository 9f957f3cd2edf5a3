"""VPC networking and instances."""
