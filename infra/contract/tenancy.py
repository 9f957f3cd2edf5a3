"""Tenancy: whether an environment has a network and a cluster of its own, or lives in those of its base."""

from enum import StrEnum


class Tenancy(StrEnum):
    """The two tenancies; a configuration and a stack's outputs hold their names."""

    dedicated = "dedicated"
    shared = "shared"
