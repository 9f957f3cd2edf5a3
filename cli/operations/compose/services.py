"""The chart's objects as services of a compose file. Pure: what is decided here, nothing writes or runs.

A pod becomes a service, a container beside it one more in the same network, an init container that waits a
`depends_on`, a Secret's key a file, a probe a health check, a grace period a `stop_grace_period`.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.operations.compose import chart
from infra.contract.secret_contents import NAMES

Object = Mapping[str, Any]
Service = dict[str, Any]

COMPONENT: Final = "app.kubernetes.io/component"

VARIABLES: Final = "/run/secrets/environment"
"""Where the entrypoint of Airflow's image looks for files that are variables."""

ENTRYPOINT: Final = "/usr/local/bin/entrypoint"
"""Of Airflow's image. What a health check runs gets those variables through it only."""

CONFIGURATION: Final = "configuration"
"""The folder beside the compose file with what ConfigMaps hold as files."""

LOGS: Final = "logs"
"""The chart's volume of tasks' logs. One for all: there is no bucket that they go to, and the UI reads them there."""

TEMPORARY: Final = "/tmp"

_WAITS: Final = "wait-for-schema"
_LONGEST_INTERVAL: Final = 10
"""Seconds. Whatever waits for a service notices at its next check, and compose has no startup probe."""

_WITHOUT_MEANING: Final = frozenset(
    {"ConfigMap", "PodDisruptionBudget", "Role", "RoleBinding", "Service", "ServiceAccount"}
)
"""Kinds that nothing corresponds to: names lead to services by themselves, and nobody asks Kubernetes."""

_UNITS: Final = {"Ki": "k", "Mi": "m", "Gi": "g"}


@dataclass
class Composed:
    """The services, and the parts of the chart that a compose file cannot have."""

    services: dict[str, Service] = field(default_factory=dict)
    common_environment: dict[str, str] = field(default_factory=dict)
    """What all of Airflow's services have; each has its own beside it."""

    volumes: set[str] = field(default_factory=set)
    secrets: set[tuple[str, str]] = field(default_factory=set)
    """Secret and key, of each file that is needed."""

    files: dict[str, str] = field(default_factory=dict)
    """Of ConfigMaps that are mounted: the text of each by its path beside the compose file."""

    left_out: list[str] = field(default_factory=list)


def secret_file(secret: str, key: str) -> str:
    """The name of a Secret's key, as a file and in the compose file."""
    return f"{secret}-{key}"


def compose(objects: Iterable[Object], contents: Mapping[str, Mapping[str, str]]) -> Composed:
    """The services of the chart's objects; `contents` is what the Secrets hold."""
    composed = Composed()
    maps = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
    for item in objects:
        if item["kind"] in ("Deployment", "StatefulSet", "Job"):
            _Workload(item, maps, contents, composed).add()
        elif item["kind"] not in _WITHOUT_MEANING:
            composed.left_out.append(f"{item['kind']} {item['metadata']['name']}")
    _order(composed)
    return composed


def _order(composed: Composed) -> None:
    """Who waits for whom. Whoever has a service's network has waited with it."""
    ready = {"condition": "service_healthy"}
    done = {"condition": "service_completed_successfully"}
    for name, service in composed.services.items():
        waits: dict[str, Any] = {}
        if name == chart.MIGRATION:
            waits[chart.DATABASE] = ready
        elif "network_mode" not in service and service["image"].startswith("aerodrome/airflow:"):
            if _reads(service, "AIRFLOW__CELERY__BROKER_URL"):
                waits[chart.REDIS] = ready
            waits[chart.MIGRATION] = done
        if waits:
            service["depends_on"] = waits


def _reads(service: Service, variable: str) -> bool:
    return any(one["target"] == f"{VARIABLES}/{variable}" for one in service.get("secrets", ()))


class _Workload:
    """One Deployment, StatefulSet or Job."""

    def __init__(
        self,
        item: Object,
        maps: Mapping[str, Mapping[str, str]],
        contents: Mapping[str, Mapping[str, str]],
        into: Composed,
    ) -> None:
        self._item = item
        self._maps = maps
        self._contents = contents
        self._into = into
        template = item["spec"]["template"]
        self._pod: Object = template["spec"]
        self._name: str = template["metadata"]["labels"][COMPONENT]
        claims = item["spec"].get("volumeClaimTemplates") or ()
        self._claims = {claim["metadata"]["name"] for claim in claims}
        self._volumes = {each["name"]: each for each in self._pod.get("volumes") or ()}

    def add(self) -> None:
        """Puts the pod's containers among the services."""
        main, *beside = self._pod["containers"]
        for init in self._pod.get("initContainers") or ():
            if init.get("restartPolicy") == "Always":
                beside.append(init)
            elif init["name"] != _WAITS:
                self._leave_out(f"init container {init['name']}")
        service = self._service(main)
        replicas = self._item["spec"].get("replicas", 1)
        if replicas != 1:
            service.setdefault("deploy", {})["replicas"] = replicas
        self._into.services[self._name] = service
        for container in beside:
            shared = self._service(container)
            shared["network_mode"] = f"service:{self._name}"
            shared["depends_on"] = {self._name: {"condition": "service_started"}}
            self._into.services[container["name"]] = shared

    def _leave_out(self, what: str) -> None:
        self._into.left_out.append(f"{self._name}: {what}")

    def _service(self, container: Object) -> Service:
        environment, secrets = self._variables(container)
        volumes, tmpfs, mounted = self._mounts(container)
        pod, own = self._pod["securityContext"], container.get("securityContext") or {}
        service: Service = {"image": container["image"]}
        if "command" in container:
            service["entrypoint"] = _literal(container["command"])
        if "args" in container:
            service["command"] = _literal(container["args"])
        service["environment"] = environment
        service["secrets"] = [*secrets, *mounted]
        service["volumes"] = volumes
        service["tmpfs"] = tmpfs
        service["user"] = f"{pod['runAsUser']}:{pod['runAsGroup']}"
        service["read_only"] = own.get("readOnlyRootFilesystem", False)
        service["cap_drop"] = list((own.get("capabilities") or {}).get("drop", ()))
        if own.get("allowPrivilegeEscalation") is False:
            service["security_opt"] = ["no-new-privileges:true"]
        service["healthcheck"] = self._health(container, bool(secrets))
        service["restart"] = "no" if self._item["kind"] == "Job" else "unless-stopped"
        if grace := self._pod.get("terminationGracePeriodSeconds"):
            service["stop_grace_period"] = f"{grace}s"
        if memory := (container["resources"].get("limits") or {}).get("memory"):
            service["deploy"] = {"resources": {"limits": {"memory": _bytes(memory)}}}
        return {key: value for key, value in service.items() if value not in (None, [], {})}

    def _variables(self, container: Object) -> tuple[dict[str, str], list[dict[str, str]]]:
        """Those that everybody may see, and the files of the others."""
        plain: dict[str, str] = {}
        files: list[dict[str, str]] = []
        for source in container.get("envFrom") or ():
            self._into.common_environment.update(self._maps[source["configMapRef"]["name"]])
            plain |= self._maps[source["configMapRef"]["name"]]
        for item in container.get("env") or ():
            name, reference = item["name"], (item.get("valueFrom") or {}).get("secretKeyRef")
            if reference is None:
                if "value" in item:
                    plain[name] = str(item["value"])
                else:
                    self._leave_out(f"variable {name}")
            elif reference["name"] not in self._contents:
                secret = f"{reference['name']}/{reference['key']}"
                self._leave_out(f"variable {name}, of the Kubernetes Secret {secret}")
            elif (
                reference.get("optional")
                and reference["key"] not in self._contents[reference["name"]]
            ):
                continue
            elif reference["key"] in NAMES:
                plain[name] = self._contents[reference["name"]][reference["key"]]
            else:
                files.append(self._file(reference["name"], reference["key"], f"{VARIABLES}/{name}"))
        return {name: _escaped(value) for name, value in plain.items()}, files

    def _file(self, secret: str, key: str, target: str) -> dict[str, str]:
        self._into.secrets.add((secret, key))
        return {"source": secret_file(secret, key), "target": target}

    def _mounts(self, container: Object) -> tuple[list[str], list[str], list[dict[str, str]]]:
        """Volumes, memory file systems, and secrets as files."""
        volumes: list[str] = []
        tmpfs: list[str] = []
        files: list[dict[str, str]] = []
        for mount in container.get("volumeMounts") or ():
            name, path = mount["name"], mount["mountPath"]
            volume = self._volumes.get(name) or {}
            if name in self._claims:
                volumes.append(f"{self._volume(f'{self._name}-{name}')}:{path}")
            elif name == LOGS:
                volumes.append(f"{self._volume(LOGS)}:{path}")
            elif "emptyDir" in volume and path == TEMPORARY:
                size = (volume["emptyDir"] or {}).get("sizeLimit")
                limit = f",size={_bytes(size)}" if size else ""
                # Docker's own default forbids programs, which @task.virtualenv has there.
                tmpfs.append(f"{path}:exec,mode=1777{limit}")
            elif "emptyDir" in volume:
                # A folder of the image with an owner, which a volume takes over and a tmpfs does not.
                volumes.append(f"{self._volume(f'{self._name}-{name}')}:{path}")
            elif "configMap" in volume:
                for key, text in self._maps[volume["configMap"]["name"]].items():
                    file = f"{CONFIGURATION}/{volume['configMap']['name']}-{key}"
                    self._into.files[file] = text
                    volumes.append(f"./{file}:{path}/{key}:ro")
            elif "secret" in volume and volume["secret"]["secretName"] in self._contents:
                secret = volume["secret"]
                for item in secret["items"]:
                    target = f"{path}/{item['path']}"
                    files.append(self._file(secret["secretName"], item["key"], target))
            else:
                self._leave_out(f"volume {name} at {path}")
        return volumes, tmpfs, files

    def _volume(self, name: str) -> str:
        self._into.volumes.add(name)
        return name

    def _health(self, container: Object, through_entrypoint: bool) -> Service | None:
        probe = container.get("readinessProbe") or container.get("livenessProbe")
        if probe is None:
            return None
        if "exec" in probe:
            command = list(probe["exec"]["command"])
            if through_entrypoint:
                command.insert(0, ENTRYPOINT)
        elif "httpGet" in probe:
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            asked = probe["httpGet"]
            url = f"http://127.0.0.1:{ports.get(asked['port'], asked['port'])}{asked['path']}"
            request = f'import urllib.request; urllib.request.urlopen("{url}", timeout=5)'
            command = ["python", "-c", request]
        else:
            self._leave_out(f"probe of {container['name']}")
            return None
        startup = container.get("startupProbe") or {}
        patience = startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3)
        return {
            "test": _test(command),
            "interval": f"{min(probe.get('periodSeconds', 10), _LONGEST_INTERVAL)}s",
            "timeout": f"{probe.get('timeoutSeconds', 1)}s",
            "retries": probe.get("failureThreshold", 3),
            "start_period": f"{startup.get('initialDelaySeconds', 0) + patience}s",
        }


def _test(command: Sequence[str]) -> list[str]:
    """A health check's command. Podman takes the words of one apart at every blank: then as one text."""
    if any(" " in word for word in command):
        return ["CMD-SHELL", _escaped(shlex.join(command))]
    return ["CMD", *_literal(command)]


def _literal(words: Sequence[Any]) -> list[str]:
    return [_escaped(str(word)) for word in words]


def _escaped(text: str) -> str:
    """As compose writes a text in which nothing is to be filled in."""
    return str(text).replace("$", "$$")


def _bytes(quantity: str) -> str:
    """A quantity of Kubernetes as compose writes it."""
    for unit, letter in _UNITS.items():
        if quantity.endswith(unit):
            return quantity.removesuffix(unit) + letter
    return quantity


def used_images(composed: Composed) -> Iterator[tuple[str, str]]:
    """For each image that is to be built its folder and the one service that builds it."""
    for folder in chart.IMAGES:
        users = [
            name
            for name, service in composed.services.items()
            if service["image"].startswith(f"aerodrome/{folder}:")
        ]
        if users:
            yield folder, chart.MIGRATION if chart.MIGRATION in users else users[0]
