"""Users, groups, roles and policies."""
