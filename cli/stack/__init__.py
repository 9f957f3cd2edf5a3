"""The one driver of Pulumi: every environment, on AWS and in the sandbox, is moved by its CLI."""
