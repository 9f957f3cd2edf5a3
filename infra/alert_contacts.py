"""Whom Grafana sends alerts to: the Secret of what is secret of it, and what charts/monitoring is told."""

from typing import Any

from infra.contract import contacts, grafana
from infra.stack import Stack


def contact_secret(stack: Stack) -> dict[str, str]:
    """By the chart's keys; nothing if nothing of it is secret, or there is nobody to send to."""
    secrets = stack.secrets
    found = {
        "slack-url": secrets.alert_slack_url,
        "webhook-url": secrets.alert_webhook_url,
        "webhook-token": secrets.alert_webhook_token,
        "smtp-password": secrets.smtp_password if stack.settings.alert_emails else "",
    }
    return {key: value for key, value in found.items() if value}


def contact_values(stack: Stack) -> dict[str, Any]:
    """A part of the chart's value `grafana`."""
    settings, secrets = stack.settings, stack.secrets
    webhook = "token" if secrets.alert_webhook_token else "open"
    ports = {contacts.HTTPS_PORT}
    if settings.alert_emails:
        ports.add(settings.smtp_port)
    if secrets.alert_webhook_url:
        ports.add(contacts.port(secrets.alert_webhook_url))
    return {
        "contactPorts": sorted(ports),
        "contacts": {
            "secret": grafana.CONTACTS_SECRET if contact_secret(stack) else "",
            "email": {
                "addresses": list(settings.alert_emails),
                "host": settings.smtp_host,
                "port": settings.smtp_port,
                "from": settings.smtp_from,
                "user": settings.smtp_user,
            },
            "slack": bool(secrets.alert_slack_url),
            "webhook": webhook if secrets.alert_webhook_url else "none",
        },
    }
