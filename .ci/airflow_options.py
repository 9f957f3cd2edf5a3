# ruff: noqa: E402 (the environment comes before the imports)
"""Prints the options that the installed Airflow and its providers have, as JSON for `infra/airflow_options.py`.

Run by `.ci/airflow-options` in an environment that holds what the image's lock holds. It imports Airflow and
nothing of the project.
"""

import json
import os
import sys
import tempfile
from importlib import metadata
from typing import Any

# Airflow writes into its home, and reads what is configured there.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp()
for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
    del os.environ[name]

from airflow.cli.commands.config_command import CONFIGS_CHANGES
from airflow.configuration import conf
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

OPEN_SECTIONS = (
    "celery_broker_transport_options",
    "celery_result_backend_transport_options",
    "elasticsearch_configs",
    "opensearch_configs",
    "sentry",
)
"""Read as a whole, every key of it: Airflow hands them on to a library."""


def versions() -> dict[str, str]:
    """Of Airflow and its providers, which are what the options depend on."""
    found = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    return {name: found[name] for name in sorted(found) if name.startswith("apache-airflow")}


def options() -> dict[str, dict[str, dict[str, Any]]]:
    """By section and name."""
    sensitive, choices = conf.sensitive_config_values, conf.enums_options
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for section, content in sorted(conf.configuration_description.items()):
        found[section] = {}
        for name, described in sorted(content["options"].items()):
            option: dict[str, Any] = {"type": described.get("type") or "string"}
            if (section, name) in sensitive:
                option["sensitive"] = True
            if allowed := choices.get((section, name)):
                option["choices"] = [getattr(one, "value", one) for one in allowed]
            if since := described.get("version_deprecated"):
                reason = " ".join((described.get("deprecation_reason") or "").split())
                option |= {"deprecated": since, "reason": reason}
            found[section][name] = option
    return found


def former(known: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Options that are no more, or have another name now; `works` says that the old name is still read."""
    found: dict[str, dict[str, Any]] = {}
    for change in CONFIGS_CHANGES:
        section, name = change.config
        # Some are only about a default, or about one value of an option that stays.
        if name in known.get(section, {}) or not (change.was_removed or change.renamed_to):
            continue
        entry: dict[str, Any] = {"works": False}
        if change.renamed_to:
            entry["to"] = ".".join(change.renamed_to)
        if change.suggestion:
            entry["advice"] = " ".join(change.suggestion.split())
        found[f"{section}.{name}"] = entry
    for (section, name), (old_section, old_name, since) in conf.deprecated_options.items():
        if old_name in known.get(old_section, {}):
            continue
        entry = {"works": True, "to": f"{section}.{name}", "since": since}
        found[f"{old_section}.{old_name}"] = entry
    return dict(sorted(found.items()))


def connection_types() -> list[str]:
    """Those that a provider of the image has a hook for."""
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    return sorted(ProvidersManagerTaskRuntime().hooks)


@providers_configuration_loaded
def document() -> dict[str, Any]:
    """All of it."""
    known = options()
    return {
        "versions": versions(),
        "connectionTypes": connection_types(),
        "open": [section for section in OPEN_SECTIONS if section in known],
        "former": former(known),
        "options": known,
    }


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=1)
    sys.stdout.write("\n")
