"""Secrets that are replaced while Airflow works, and how old they are."""
