"""What is wrong with a query, a dashboard or an alert."""


class GrafanaError(Exception):
    """Grafana would not take it, or would show nothing."""
