"""The compose file as text for people: with comments, and with what services share said once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from cli.operations.compose import chart
from cli.operations.compose.services import Composed, Service, secret_file, used_images

MARK: Final = "Written by `aerodrome compose`"
"""In each file that the command may write anew."""

_COMMENTS: Final = {
    chart.DATABASE: "PostgreSQL: Airflow's metadata, and the results of Celery's tasks.",
    chart.REDIS: "The queue between the scheduler and the workers.",
    chart.MIGRATION: "Runs once at each start: the database's schema, then the administrator's account.",
    chart.API_SERVER: "The UI, the REST API, and the API that tasks report to.",
    "scheduler": "Decides what runs when.",
    "dag-processor": "Reads the DAGs.",
    "triggerer": "Waits for deferred tasks.",
    chart.WORKER: "Runs tasks. Told to stop, it takes no new one and ends after its last one. More: --scale celery-worker=3",
    "log-server": "Shows the log of a task that runs. Apart, for it has a key that tasks must not have.",
    chart.FLOWER: "Celery's workers and tasks in a browser.",
}

_ORDER: Final = tuple(_COMMENTS)

_LONG_WORD: Final = 60


@dataclass(frozen=True)
class Build:
    """How an image is built: compose's `build`."""

    context: str
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """What the compose file has that the chart does not know."""

    environment: str
    builds: Mapping[str, Build]
    """By folder below `images/`."""

    ports: Mapping[str, tuple[int, int]]
    """By service the port of this machine, and the container's."""

    dags: str = ""
    """A folder of DAGs to mount; empty: those of the image."""


class _Shared(dict[str, Any]):
    """A mapping that others refer to by its name."""

    def __init__(self, anchor: str, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self.anchor = anchor


class _Merge(str):
    """YAML's key for another mapping's content."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes an anchor with its name; everything else that comes twice, twice."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.anchor_names: dict[yaml.Node, str] = {}

    def ignore_aliases(self, data: Any) -> bool:
        return not isinstance(data, _Shared)

    def generate_anchor(self, node: yaml.Node) -> str:
        return self.anchor_names[node]

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def shared(self, data: _Shared) -> yaml.Node:
        node = self.represent_dict(data)
        self.anchor_names[node] = data.anchor
        return node

    def merge(self, data: _Merge) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:merge", str(data))

    def words(self, data: list[Any]) -> yaml.Node:
        """A list of words on one line, as people write it."""
        short = all(isinstance(item, str) and len(item) < _LONG_WORD for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=short)


_Dumper.add_representer(list, _Dumper.words)
_Dumper.add_representer(_Shared, _Dumper.shared)
_Dumper.add_representer(_Merge, _Dumper.merge)

_MERGE: Final = _Merge("<<")


def compose_file(composed: Composed, options: Options) -> str:
    """compose.yaml."""
    services = _with_options(composed, options)
    airflow = [one for one in services.values() if _is_airflow(one)]
    environment = _Shared("airflow-environment", _same([one["environment"] for one in airflow]))
    for one in airflow:
        own = {k: v for k, v in one["environment"].items() if k not in environment}
        one["environment"] = {_MERGE: environment, **own} if own else environment
    common = _Shared("airflow", _same(airflow))
    for name, service in services.items():
        if _is_airflow(service):
            own = {k: v for k, v in service.items() if k not in common}
            services[name] = {_MERGE: common, **own}
    parts = {
        "name": f"aerodrome-{options.environment}",
        "x-airflow-environment": environment,
        "x-airflow": common,
        "services": {name: services[name] for name in sorted(services, key=_rank)},
        "volumes": {name: {} for name in sorted(composed.volumes)},
        "secrets": {
            secret_file(*one): {"file": f"./secrets/{secret_file(*one)}"}
            for one in sorted(composed.secrets)
        },
    }
    text = yaml.dump(parts, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return _commented(text)


def _with_options(composed: Composed, options: Options) -> dict[str, Service]:
    services: dict[str, Service] = {}
    builders = {name: folder for folder, name in used_images(composed)}
    for name, service in composed.services.items():
        built: Service = {"image": service["image"]}
        if name in builders:
            build = options.builds[builders[name]]
            built["build"] = {"context": build.context, "dockerfile": "Containerfile"}
            if build.arguments:
                built["build"]["args"] = dict(build.arguments)
        else:
            # Another service builds it; no registry has it.
            built["pull_policy"] = "never"
        services[name] = {**built, **service}
        if options.dags and _is_airflow(service):
            mount = f"{options.dags}:/opt/airflow/dags:ro"
            services[name]["volumes"] = [*service["volumes"], mount]
        if name in options.ports:
            outside, inside = options.ports[name]
            services[name]["ports"] = [f"127.0.0.1:{outside}:{inside}"]
    return services


def _is_airflow(service: Service) -> bool:
    return str(service["image"]).startswith("aerodrome/airflow:")


def _same(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all of them have, and alike."""
    first, *others = mappings
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in others)
    }


def _rank(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _commented(text: str) -> str:
    lines = [
        f"# {MARK} from charts/airflow, and written anew by it. Changes of your own belong into"
    ]
    lines.append(
        "# compose.override.yaml beside it, which compose reads, too, and the command leaves alone."
    )
    inside = False
    for line in text.splitlines():
        if not line.startswith(" "):
            lines.append("")
            inside = line == "services:"
        name = line.strip().removesuffix(":")
        if inside and line == f"  {name}:" and name in _COMMENTS:
            lines += ["", f"  # {_COMMENTS[name]}"]
        lines.append(line)
    return "\n".join([*lines, ""])
