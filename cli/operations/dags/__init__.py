"""DAG files: checked before they are deployed, looked after while they are rolled out, listed and run."""
