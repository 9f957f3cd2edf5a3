"""Airflow's own configuration, checked before it is deployed against what the image's Airflow has.

`airflow_options.json` lists the options of Airflow and of the providers in the image's lock: `make options` writes
it anew. Airflow itself ignores what it does not know, and a value of the wrong type ends its processes.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

TABLE = Path(__file__).resolve().parent / "airflow_options.json"

OWNED: Final[Mapping[str, str]] = {
    "api.base_url": "the value ui.baseUrl",
    "api.port": "the value ui.port is the Service's; inside the pod it is fixed",
    "api.secret_key": "./aerodrome config set apiSecretKey --secret",
    "api.workers": "the value apiServer.workers",
    "api_auth.jwt_kid": "it follows from the secret: ./aerodrome config set jwtSecret --secret",
    "api_auth.jwt_secret": "./aerodrome config set jwtSecret --secret",
    "core.auth_manager": "the image is built for the FAB auth manager",
    "core.dags_are_paused_at_creation": "the value dagsPausedAtCreation",
    "core.execution_api_server_url": "the chart's own Service is asked",
    "core.executor": "./aerodrome config set executor NAME",
    "core.fernet_key": "./aerodrome config set fernetKey --secret",
    "core.hostname_callable": "the probes know pods by their addresses",
    "core.parallelism": "the value scheduler.parallelism",
    "dag_processor.min_file_process_interval": "the value dagProcessor.parseIntervalSeconds",
    "dag_processor.parsing_processes": "the value dagProcessor.parsingProcesses",
    "database.check_migrations": "the migration Job and an init container see to it",
    "database.sql_alchemy_conn": "./aerodrome config set database rds, or in-cluster",
    "database.sql_alchemy_conn_async": "./aerodrome config set database rds, or in-cluster",
    "elasticsearch.host": "./aerodrome config set taskLogs elasticsearch",
    "elasticsearch.index_patterns": "those of the environment",
    "elasticsearch.log_id_template": "the log shipper writes it so",
    "elasticsearch.offset_field": "the log shipper writes it so",
    "kubernetes_executor.delete_worker_pods": "a task's pod goes with its task",
    "kubernetes_executor.delete_worker_pods_on_failure": "the value workers.keepFailedPods",
    "kubernetes_executor.namespace": "tasks run in the environment's namespace",
    "kubernetes_executor.pod_template_file": "the values below workers",
    "kubernetes_executor.worker_pods_creation_batch_size": "the value workers.creationBatchSize",
    "logging.remote_base_log_folder": "the environment's bucket and folder are the program's",
    "logging.remote_log_conn_id": "pods have credentials by their role",
    "logging.remote_logging": "task logs go to the environment's bucket",
    "scheduler.scheduler_idle_sleep_time": "the value scheduler.idleSleepSeconds",
    "triggerer.capacity": "the value triggerer.capacity",
}
"""Options that something else decides, each with what to do instead."""

BOOLEANS: Final = ("t", "true", "1", "f", "false", "0")
"""What Airflow takes for a boolean, in lower case."""

_SUFFIXES: Final = ("_cmd", "_secret")
"""Airflow reads a sensitive option from a command, or from a secrets backend."""


@dataclass(frozen=True)
class Remark:
    """What there is to say of one option. A warning refuses nothing."""

    section: str
    name: str
    text: str
    warning: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        return ("config", self.section, self.name) if self.name else ("config", self.section)


@cache
def _table() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return loaded


def as_text(value: Any) -> Any:
    """A value as Airflow reads it from the environment: text. Maps and lists stay, to be refused."""
    if isinstance(value, bool):
        return "True" if value else "False"
    return str(value) if isinstance(value, (int, float)) else value


def check(config: Mapping[str, Any]) -> Iterator[Remark]:
    """What is wrong with the value `config` of a values file: sections, options, values."""
    for section, options in config.items():
        if not isinstance(options, Mapping):
            continue
        unknown = _unknown_section(section)
        if unknown and not unknown.warning and not _former_section(section):
            yield unknown
            continue
        if unknown and unknown.warning:
            yield unknown
        for name, value in options.items():
            if value is not None:
                yield from _check_option(section, name, as_text(value))


def _former_section(section: str) -> bool:
    return any(key.startswith(f"{section}.") for key in _table()["former"])


def _unknown_section(section: str) -> Remark | None:
    sections = _table()["options"]
    if section in sections:
        return None
    near = difflib.get_close_matches(section, sections, n=1, cutoff=0.75)
    if near:
        return Remark(section, "", f"Airflow has no section {section}; did you mean {near[0]}?")
    if _former_section(section):
        return None
    text = f"no section of Airflow, or of the image's providers, is called {section}: passed on as it is"
    return Remark(section, "", text, warning=True)


def _check_option(section: str, name: str, value: Any) -> Iterator[Remark]:
    key = f"{section}.{name}"
    base = next((key.removesuffix(one) for one in _SUFFIXES if key.endswith(one)), key)
    if owner := OWNED.get(key) or OWNED.get(base):
        yield Remark(section, name, f"is decided elsewhere: {owner}")
        return
    options = _table()["options"].get(section, {})
    option = options.get(name)
    if option is None:
        indirect = options.get(base.removeprefix(f"{section}."), {}).get("sensitive")
        if not indirect:
            yield from _check_unknown(section, name, value)
        return
    if option.get("sensitive"):
        yield Remark(section, name, _sensitive(section, name))
        return
    if since := option.get("deprecated"):
        text = f"is deprecated since Airflow {since}: {option.get('reason', '')}".rstrip(": ")
        yield Remark(section, name, text, warning=True)
    if reason := _wrong(option, value):
        yield Remark(section, name, reason)


def _sensitive(section: str, name: str) -> str:
    variable = f"AIRFLOW__{section.replace('.', '_').upper()}__{name.upper()}"
    return (
        "holds a secret, which has no place in a file. Put it into a Secret of the namespace, and name that: "
        f"secretEnv: {{{variable}: {{name: SECRET, key: KEY}}}}"
    )


def _check_unknown(section: str, name: str, value: Any) -> Iterator[Remark]:
    table = _table()
    former = table["former"].get(f"{section}.{name}")
    if former is None:
        if section in table["options"] and section not in table["open"]:
            yield Remark(section, name, f"Airflow has no such option{_nearest(section, name)}")
        elif section not in table["options"] and _former_section(section):
            yield Remark(
                section, name, f"Airflow has no section {section} any more{_nearest(section, name)}"
            )
        return
    advice = former.get("advice", "")
    if target := former.get("to"):
        words = f"is called {target} now"
        if owner := OWNED.get(target):
            yield Remark(section, name, f"{words}, and is decided elsewhere: {owner}")
            return
        if former["works"] and section != "webserver":
            words += f", since Airflow {former['since']}; the old name still works"
            yield Remark(section, name, words, warning=True)
            new_section, _, new_name = target.rpartition(".")
            option = table["options"].get(new_section, {}).get(new_name, {})
            if option.get("sensitive"):
                yield Remark(section, name, _sensitive(new_section, new_name))
            elif reason := _wrong(option, value):
                yield Remark(section, name, reason)
            return
        yield Remark(section, name, f"{words}, and the old name is not read any more")
        return
    yield Remark(section, name, f"is gone from Airflow 3. {advice}".rstrip())


def _nearest(section: str, name: str) -> str:
    options = _table()["options"]
    elsewhere = [f"{other}.{name}" for other, names in options.items() if name in names]
    here = difflib.get_close_matches(name, options.get(section, {}), n=1, cutoff=0.7)
    near = [f"{section}.{here[0]}"] if here else elsewhere[:3]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _wrong(option: Mapping[str, Any], value: Any) -> str:
    """What is wrong with a value; empty if nothing is."""
    if not isinstance(value, str):
        return "takes one value, not a map or a list"
    choices = option.get("choices")
    if choices and value not in choices:
        return f"must be one of {', '.join(one or repr(one) for one in choices)}, not {value!r}"
    match option.get("type"):
        case "boolean":
            if value.strip().lower() not in BOOLEANS:
                return f"must be true or false, not {value!r}"
        case "integer":
            return _wrong_number(value, int, "a whole number")
        case "float":
            return _wrong_number(value, float, "a number")
    return ""


def _wrong_number(value: str, kind: type[int] | type[float], called: str) -> str:
    try:
        kind(value)
    except ValueError:
        return f"must be {called}, not {value!r}"
    return ""
