"""The front door of the kubernetes provider: its arguments, and who answers which type."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.errors import Unsupported
from sandbox.providers import contract
from sandbox.providers.kubernetes import checks, diffs, kubeconfig
from sandbox.providers.kubernetes.client import Client, NoSuchKind
from sandbox.providers.kubernetes.helm.release import Releases
from sandbox.providers.kubernetes.kinds import RELEASE, Kind, built_in, kind_of
from sandbox.providers.kubernetes.lifecycle import Lifecycle, NoCluster, Policy
from sandbox.providers.kubernetes.telling import About, silently
from sandbox.providers.kubernetes.transport import Transport, Unreachable
from sandbox.wire.values import UNKNOWN, Properties

_TEXT = frozenset(
    {
        "kubeconfig",
        "context",
        "cluster",
        "namespace",
        "clusterIdentifier",
        "renderYamlToDirectory",
    }
)

# Argument -> the environment variable that pulumi-kubernetes takes in its stead.
_FLAGS = {
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "alwaysRender": "",
}

_WITHOUT_EFFECT = frozenset(
    {
        "kubeClientSettings",
        "suppressDeprecationWarnings",
        "suppressHelmHookWarnings",
        "version",
        "pluginDownloadURL",
    }
)

_REFUSED = frozenset({"renderYamlToDirectory", "alwaysRender", "skipUpdateUnreachable"})
"""Refused if they are set to anything but false."""


@dataclass(frozen=True)
class Settings:
    """The provider's arguments. `kubeconfig` is None while it is not known."""

    kubeconfig: str | None = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    config_map_mutable: bool = False
    secret_mutable: bool = False
    policy: Policy = field(default_factory=Policy)


def settings_of(inputs: Mapping[str, Any]) -> Settings:
    """The arguments, with the environment in place of what is not given."""
    text = {key: _text(inputs.get(key)) for key in _TEXT}
    return Settings(
        kubeconfig=None if inputs.get("kubeconfig") is UNKNOWN else text["kubeconfig"],
        context=text["context"],
        cluster=text["cluster"],
        namespace=text["namespace"],
        config_map_mutable=_flag(inputs, "enableConfigMapMutable"),
        secret_mutable=_flag(inputs, "enableSecretMutable"),
        policy=Policy(
            force=_flag(inputs, "enablePatchForce"),
            upsert=_flag(inputs, "upsertExistingObjects"),
            delete_unreachable=_flag(inputs, "deleteUnreachable"),
        ),
    )


def _text(value: Any) -> str:
    return "" if value is None or value is UNKNOWN else str(value)


def _flag(inputs: Mapping[str, Any], key: str) -> bool:
    value = inputs.get(key)
    if value is None or value == "":
        value = os.environ.get(_FLAGS[key], "") if _FLAGS[key] else ""
    return value in (True, "true")


class KubernetesProvider(contract.Provider):
    """Any object of a cluster, and Helm releases."""

    package = "kubernetes"
    version = "4.34.2"
    text_properties = _TEXT

    def __init__(self, about: About = silently) -> None:
        self._lock = threading.Lock()
        self._about = about
        self._cancelled = threading.Event()
        self._settings = Settings()
        self._connection: kubeconfig.Connection | None = None
        self._client: Client | None = None
        self._build()

    def check_config(self, request: contract.CheckRequest) -> contract.CheckResult:
        for key, value in request.news.items():
            if key.startswith("__") or key in _WITHOUT_EFFECT:
                continue
            known = key in _TEXT or key in _FLAGS
            if not known or (key in _REFUSED and value not in (False, "false", "", None)):
                raise _unsupported(key)
        if request.news.get("enableServerSideApply") in (False, "false"):
            raise _unsupported("enableServerSideApply=false")
        text = request.news.get("kubeconfig")
        if isinstance(text, str) and text:
            context = _text(request.news.get("context"))
            kubeconfig.load(text, context, _text(request.news.get("cluster")))
        return contract.CheckResult(request.news)

    def diff_config(self, request: contract.DiffRequest) -> contract.DiffResult:
        """Another cluster means that everything on it is made anew."""
        changes = contract.changed_keys(request.old_inputs, request.news)
        old_id, new_id = (
            properties.get("clusterIdentifier") for properties in (request.old_inputs, request.news)
        )
        replaces: list[str] = []
        if old_id and new_id:
            replaces = ["clusterIdentifier"] if old_id != new_id else []
        elif _cluster(request.old_inputs) != _cluster(request.news):
            replaces = [key for key in ("kubeconfig", "context", "cluster") if key in changes]
        return contract.DiffResult(changes=changes, replaces=replaces)

    def configure(self, request: contract.ConfigureRequest) -> None:
        self._settings = settings_of(request.inputs)
        self._connection = None
        self._client = None
        self._build()

    def check(self, request: contract.CheckRequest) -> contract.CheckResult:
        if request.type == RELEASE:
            return self._releases.check(request, self._namespace())
        return checks.check(request, self._namespace(), self._namespaced)

    def diff(self, request: contract.DiffRequest) -> contract.DiffResult:
        if request.type == RELEASE:
            return self._releases.diff(request)
        kind_of(request.type)
        return diffs.diff(
            request.old_inputs,
            request.news,
            config_map_mutable=self._settings.config_map_mutable,
            secret_mutable=self._settings.secret_mutable,
        )

    def create(self, request: contract.CreateRequest) -> contract.CreateResult:
        if request.type == RELEASE:
            return self._releases.create(request)
        return self._objects.create(request)

    def read(self, request: contract.ReadRequest) -> contract.ReadResult | None:
        if request.type == RELEASE:
            return self._releases.read(request)
        return self._objects.read(request)

    def update(self, request: contract.UpdateRequest) -> Properties:
        if request.type == RELEASE:
            return self._releases.update(request)
        return self._objects.update(request)

    def delete(self, request: contract.DeleteRequest) -> None:
        if request.type == RELEASE:
            self._releases.delete(request)
        else:
            self._objects.delete(request)

    def cancel(self) -> None:
        self._cancelled.set()

    def _build(self) -> None:
        policy = self._settings.policy
        self._objects = Lifecycle(self._connect, self._cancelled, policy, self._about)
        self._releases = Releases(
            self._connect, self._connected, self._cancelled, policy, self._about
        )

    def _connected(self) -> kubeconfig.Connection:
        """The kubeconfig's connection; nothing is contacted."""
        with self._lock:
            if self._connection is None:
                given = self._settings.kubeconfig
                if given is None:
                    raise NoCluster("The kubeconfig is not known before `up`")
                text = given or kubeconfig.ambient()
                if not text:
                    raise NoCluster(
                        "There is no kubeconfig",
                        "Give the provider one, or set KUBECONFIG.",
                    )
                settings = self._settings
                self._connection = kubeconfig.load(text, settings.context, settings.cluster)
            return self._connection

    def _connect(self) -> Client:
        connection = self._connected()
        with self._lock:
            if self._client is None:
                self._client = Client(Transport(connection))
            return self._client

    def _namespace(self) -> str:
        """Where objects go that name no namespace."""
        if self._settings.namespace:
            return self._settings.namespace
        try:
            return self._connected().namespace or "default"
        except NoCluster:
            return "default"

    def _namespaced(self, kind: Kind) -> bool:
        known = built_in(kind)
        if known is not None:
            return known.namespaced
        try:
            return self._connect().served(kind).namespaced
        except (NoCluster, NoSuchKind, Unreachable):
            # Its CRD is still to come: most kinds are namespaced, and creation corrects it.
            return True


def _cluster(inputs: Mapping[str, Any]) -> Any:
    """What tells one cluster from another, as far as a kubeconfig can."""
    settings = settings_of(inputs)
    if settings.kubeconfig is None or UNKNOWN in (inputs.get("context"), inputs.get("cluster")):
        # Not known is not the same: better to announce a replacement too many.
        return object()
    if not settings.kubeconfig:
        return ""
    connection = kubeconfig.load(settings.kubeconfig, settings.context, settings.cluster)
    return connection.server, connection.ca


def _unsupported(argument: str) -> Unsupported:
    return Unsupported(f"The sandbox's kubernetes provider does not know the argument {argument}")
