"""Who gets which secret, and that no secret is ever in a manifest."""

from typing import Any

import pytest

from tests.charts.rendering import EVERYTHING, Rendered, render

PRIVATE = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": ("my-database", "connection"),
    "AIRFLOW__CORE__FERNET_KEY": ("my-fernet", "fernet-key"),
    "AIRFLOW__API_AUTH__JWT_SECRET": ("my-jwt", "jwt-secret"),
    "AIRFLOW__API_AUTH__JWT_KID": ("my-jwt", "jwt-kid"),
    "AIRFLOW__API__SECRET_KEY": ("my-api", "api-secret-key"),
}
ASYNC = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": ("my-database", "async-connection")}
ACCEPTED = {"AERODROME_TOKEN_KEYS": ("my-jwt", "jwks")}
SECRETS = {"my-fernet", "my-jwt", "my-api", "my-database", "my-admin"}
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


def references(node: Any) -> set[str]:
    """The names of all Secrets that a manifest leads to."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(references, node.values())) if node else set()
    for key, field in (("secretKeyRef", "name"), ("secret", "secretName"), ("secretRef", "name")):
        if isinstance(node.get(key), dict) and field in node[key]:
            found.add(node[key][field])
    return found


def from_secrets(container: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        item["name"]: (ref["name"], ref["key"])
        for item in container.get("env", [])
        if (ref := item.get("valueFrom", {}).get("secretKeyRef"))
    }


def containers(rendered: Rendered) -> dict[str, dict[str, Any]]:
    return dict(rendered.containers())


def test_the_chart_makes_no_secret() -> None:
    assert "Secret" not in render(EVERYTHING).kinds()


@pytest.mark.parametrize("component", COMPONENTS)
def test_components_read_the_four_secrets_by_name(component: str) -> None:
    container = containers(render())[f"airflow-{component}/{component}"]
    accepted = ACCEPTED if component == "api-server" else {}
    assert from_secrets(container) == PRIVATE | ASYNC | accepted


def test_a_task_gets_no_secret_at_all() -> None:
    # Connections come from the api-server, with a token for this one task. Whoever can change
    # a DAG must not be able to read the database or to sign tokens.
    worker = render(EVERYTHING).worker()
    assert references(worker) == set()
    assert set(PRIVATE).isdisjoint(render(EVERYTHING).environment())


def test_the_settings_hold_no_secret() -> None:
    words = ("password", "secret", "fernet", "sql_alchemy", "access_key")
    named = {
        key for key in render(EVERYTHING).environment() if any(w in key.lower() for w in words)
    }
    # A name within the image, beside the connection; and where secrets are kept, which names folders and none of them.
    assert named == {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC",
        "AIRFLOW__SECRETS__BACKEND",
        "AIRFLOW__SECRETS__BACKEND_KWARGS",
        "AIRFLOW__WORKERS__SECRETS_BACKEND",
    }


def test_waiting_for_the_schema_needs_the_database_only() -> None:
    for name, container in containers(render()).items():
        if name.endswith("/wait-for-schema"):
            assert references(container) == {"my-database"}


def test_only_the_migration_knows_the_administrator() -> None:
    knowing = {
        name.split("/")[0]
        for name, c in containers(render()).items()
        if "my-admin" in references(c)
    }
    assert len(knowing) == 1
    assert knowing.pop().startswith("airflow-migrate-")


def test_no_password_is_in_a_command_line() -> None:
    for name, container in containers(render(EVERYTHING)).items():
        words = [*container.get("command", []), *container.get("args", [])]
        assert not [word for word in words if "$" in word or "password" in word.lower()], name


def test_the_database_reads_its_password_from_a_file() -> None:
    spec = dict(render().pod_specs())["airflow-database"]
    (container,) = spec["containers"]
    assert "password" not in {key for _, key in from_secrets(container).values()}
    environment = {item["name"]: item.get("value") for item in container["env"]}
    assert environment["POSTGRES_PASSWORD_FILE"] == "/run/secrets/database/password"
    (volume,) = [v for v in spec["volumes"] if v["name"] == "password"]
    assert volume["secret"]["secretName"] == "my-database"
    assert volume["secret"]["items"] == [{"key": "password", "path": "password"}]


def test_every_secret_that_is_named_is_used() -> None:
    assert references(render().objects) == SECRETS


def test_other_names_are_taken_over_everywhere() -> None:
    names = {key: f"other-{key}" for key in ("fernet", "jwt", "api", "database", "admin")}
    assert references(render({"secrets": names}).objects) == set(names.values())
