"""Who may do what in Airflow: what the command line, the program and the chart call the same."""

from typing import Final

FILE: Final = "access.yaml"
"""Beside the program, if the setting `accessFile` names no other."""

NAMESPACE: Final = "access"
"""Of the configuration: each user's first password, by the user's name."""

PASSWORDS_ENTRY: Final = "passwords.json"
"""The key of the Secret that hands them to the migration Job."""


def password_key(user: str) -> str:
    """Of a user's first password in the configuration."""
    return f"{NAMESPACE}:{user}"
