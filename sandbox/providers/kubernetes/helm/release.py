"""kubernetes:helm.sh/v3:Release: decides what helm is to do, and waits for what it made.

Called by `provider.py`. Helm itself only installs; readiness is watched here, because a
watcher of ours can say why a pod does not start where `helm --wait` only runs out of time.
"""

import threading
from collections.abc import Callable

from sandbox.errors import CloudError, PartiallyCreated, Unsupported, UserError
from sandbox.providers import contract
from sandbox.providers.kubernetes import diagnosis
from sandbox.providers.kubernetes.client import Client, NoSuchKind, Object, identity
from sandbox.providers.kubernetes.helm import storage
from sandbox.providers.kubernetes.helm.chart import Chart, load, locate
from sandbox.providers.kubernetes.helm.command import Helm, HelmError
from sandbox.providers.kubernetes.helm.values import problems
from sandbox.providers.kubernetes.kubeconfig import Connection
from sandbox.providers.kubernetes.lifecycle import NoCluster, Policy
from sandbox.providers.kubernetes.objects import autoname, split_id
from sandbox.providers.kubernetes.readiness import READY, assess, is_awaited
from sandbox.providers.kubernetes.telling import About, Tell
from sandbox.providers.kubernetes.transport import ApiError, Unreachable
from sandbox.providers.kubernetes.waiting import NotReady, Waiter
from sandbox.wire.values import UNKNOWN, Properties, has_unknowns

DEFAULT_SECONDS = 300
"""As Helm and pulumi-kubernetes: five minutes."""

# Argument -> helm's flag, for what is passed on as it is.
_SWITCHES = {
    "cleanupOnFail": "--cleanup-on-fail",
    "createNamespace": "--create-namespace",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "disableWebhooks": "--no-hooks",
    "forceUpdate": "--force",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
    "skipCrds": "--skip-crds",
}
_KNOWN = frozenset(_SWITCHES) | {
    "atomic",
    "chart",
    "checksum",
    "description",
    "maxHistory",
    "name",
    "namespace",
    "skipAwait",
    "timeout",
    "values",
    "version",
    "waitForJobs",
}
_WITHOUT_EFFECT = frozenset({"allowNullValues", "compat", "renderSubchartNotes", "resourceNames"})

# Helm, too, calls a release ready without looking at these.
_NOT_AWAITED = frozenset({"Ingress", "ResourceQuota"})


class Releases:
    """Helm releases on one cluster. Safe across threads."""

    def __init__(
        self,
        client: Callable[[], Client],
        connection: Callable[[], Connection],
        cancelled: threading.Event,
        policy: Policy,
        about: About,
    ) -> None:
        self._connect = client
        self._connection = connection
        self._cancelled = cancelled
        self._policy = policy
        self._about = about

    def check(self, request: contract.CheckRequest, namespace: str) -> contract.CheckResult:
        inputs = _supported(request.news)
        if not inputs.get("name"):
            old = request.olds.get("name")
            inputs["name"] = old or autoname(request.name, request.random_seed)
        inputs["namespace"] = inputs.get("namespace") or namespace
        if not inputs.get("skipAwait"):
            inputs.setdefault("timeout", DEFAULT_SECONDS)
        if UNKNOWN in (inputs.get("chart"), inputs.get("version")):
            return contract.CheckResult(inputs)
        chart = load(locate(str(inputs.get("chart", ""))))
        failures = _version_failures(chart, inputs)
        # A chart that changes on disk under the same version is a change, too.
        inputs["checksum"] = chart.checksum
        inputs["version"] = chart.version
        values = inputs.get("values") or {}
        same = all(request.olds.get(key) == inputs.get(key) for key in ("checksum", "values"))
        if not same and values is not UNKNOWN:
            failures += problems(chart, values)
        return contract.CheckResult(inputs, failures)

    def diff(self, request: contract.DiffRequest) -> contract.DiffResult:
        old, new = dict(request.old_inputs), dict(request.news)
        if "version" in request.ignore_changes:
            new["version"], new["checksum"] = old.get("version"), old.get("checksum")
        changes = contract.changed_keys(old, new)
        state = (request.old_outputs.get("status") or {}).get("status")
        if state not in (None, "deployed") and not changes:
            # A helm that was killed or failed: the same inputs have to be installed again.
            changes = ["status"]
        replaces = [key for key in ("name", "namespace") if key in changes]
        return contract.DiffResult(changes=changes, replaces=replaces)

    def create(self, request: contract.CreateRequest) -> contract.CreateResult:
        if request.preview:
            return contract.CreateResult("", self._preview(request.inputs))
        outputs = self._install(request.inputs, self._about(request.urn))
        return contract.CreateResult(_id(request.inputs), outputs)

    def update(self, request: contract.UpdateRequest) -> Properties:
        if request.preview:
            return self._preview(request.inputs)
        return self._install(request.inputs, self._about(request.urn))

    def read(self, request: contract.ReadRequest) -> contract.ReadResult | None:
        namespace, name = split_id(request.id)
        try:
            client = self._connect()
            history = storage.revisions(client, namespace, name)
        except Unreachable:
            if self._policy.delete_unreachable:
                return None
            raise
        if not history or history[-1].status == "uninstalled":
            return None
        found = storage.content(history[-1])
        inputs = dict(request.inputs)
        if not inputs:
            inputs = {"name": name, "namespace": namespace, "chart": found.chart}
        if found.config != (inputs.get("values") or {}):
            inputs["values"] = found.config
        inputs["version"] = found.version
        return contract.ReadResult(request.id, inputs, self._outputs(inputs, history[-1]))

    def delete(self, request: contract.DeleteRequest) -> None:
        namespace, name = split_id(request.id)
        try:
            client = self._connect()
            if not storage.revisions(client, namespace, name):
                return
            seconds = int(request.timeout or request.inputs.get("timeout") or DEFAULT_SECONDS)
            arguments = ["uninstall", name, "--namespace", namespace, "--timeout", f"{seconds}s"]
            if request.inputs.get("atomic") or not request.inputs.get("skipAwait"):
                # In the foreground, so that the pods are gone too, not only their owners.
                arguments += ["--wait", "--cascade", "foreground"]
            self._helm(client).run(arguments)
        except Unreachable:
            if not self._policy.delete_unreachable:
                raise

    def _helm(self, client: Client) -> Helm:
        return Helm(self._connection(), client.transport.token, self._cancelled)

    def _preview(self, inputs: Properties) -> Properties:
        """The inputs, rendered once to see whether the chart accepts them."""
        outputs = {**_visible(inputs), "status": UNKNOWN, "resourceNames": UNKNOWN}
        if has_unknowns(inputs):
            return outputs
        path = str(locate(str(inputs["chart"])))
        arguments = ["template", str(inputs["name"]), path, "--namespace", str(inputs["namespace"])]
        try:
            helm = self._helm(self._connect())
            helm.run(arguments, inputs.get("values") or {})
        except (NoCluster, Unreachable):
            pass
        except HelmError as error:
            raise UserError(f"Helm can not render the chart {path}", error.detail) from error
        return outputs

    def _install(self, inputs: Properties, tell: Tell) -> Properties:
        client = self._connect()
        namespace, name = str(inputs["namespace"]), str(inputs["name"])
        before = self._recover(client, namespace, name)
        chart = load(locate(str(inputs["chart"])))
        try:
            self._helm(client).run(_arguments(inputs, chart), inputs.get("values") or {})
        except HelmError as error:
            self._failed(client, inputs, before, error.detail, [])
        latest = storage.revisions(client, namespace, name)[-1]
        try:
            self._await(client, inputs, latest, tell)
        except NotReady as error:
            self._failed(client, inputs, before, error.summary, error.reasons)
        return self._outputs(inputs, latest)

    def _recover(self, client: Client, namespace: str, name: str) -> int:
        """Clear what a killed helm left; the number of the latest sound revision, 0 if none."""
        history = storage.revisions(client, namespace, name)
        for revision in [r for r in history if r.unfinished]:
            storage.forget(client, namespace, revision)
        kept = [revision for revision in history if not revision.unfinished]
        if kept and kept[-1].status == "uninstalling":
            self._helm(client).run(["uninstall", name, "--namespace", namespace, "--wait"])
            return 0
        return max((r.number for r in kept if r.status in ("deployed", "superseded")), default=0)

    def _await(
        self, client: Client, inputs: Properties, latest: storage.Revision, tell: Tell
    ) -> None:
        if inputs.get("skipAwait"):
            return
        namespace = str(inputs["namespace"])
        waited = []
        for item in storage.objects(storage.content(latest).manifest, namespace):
            kind, place, object_name = identity(item)
            if not _is_waited_for(item, inputs):
                continue
            live = client.get(kind, place, object_name)
            if live is not None:
                waited.append(live)
        seconds = float(inputs.get("timeout") or DEFAULT_SECONDS)
        Waiter(client, self._cancelled, tell=tell).until_ready(waited, seconds)

    def _failed(
        self, client: Client, inputs: Properties, before: int, problem: str, reasons: list[str]
    ) -> None:
        """Raise what became of a release that failed; roll it back if it is atomic."""
        namespace, name = str(inputs["namespace"]), str(inputs["name"])
        history = storage.revisions(client, namespace, name)
        fresh = [revision for revision in history if revision.number > before]
        if not fresh:
            raise CloudError(f"The release {namespace}/{name} was not installed", problem)
        reasons = [problem, *(reasons or self._why(client, namespace, fresh[-1]))]
        summary = f"The release {namespace}/{name} is not ready"
        if inputs.get("atomic"):
            undo = ["rollback", name, str(before)] if before else ["uninstall", name, "--wait"]
            self._helm(client).run([*undo, "--namespace", namespace])
            done = f"rolled back to revision {before}" if before else "removed again"
            raise CloudError(f"{summary} and was {done}", "\n".join(reasons))
        raise PartiallyCreated(
            summary,
            resource_id=_id(inputs),
            outputs=self._outputs(inputs, fresh[-1]),
            reasons=reasons,
            operation="helm upgrade --install",
        )

    def _why(self, client: Client, namespace: str, revision: storage.Revision) -> list[str]:
        """The story of everything in the release, hooks included, that is not ready."""
        found = storage.content(revision)
        lines: list[str] = []
        for item in storage.objects(f"{found.hooks}\n---\n{found.manifest}", namespace):
            if not is_awaited(item) or item["kind"] in _NOT_AWAITED:
                continue
            try:
                live = client.get(*identity(item))
                if live is not None and assess(live, client) != READY:
                    lines += diagnosis.report(client, live)
            except (ApiError, NoSuchKind):
                continue
        return diagnosis.unique(lines)

    def _outputs(self, inputs: Properties, revision: storage.Revision) -> Properties:
        found = storage.content(revision)
        namespace, name = str(inputs["namespace"]), str(inputs["name"])
        return {
            **_visible(inputs),
            "version": found.version,
            "status": dict(storage.status(revision, found, namespace, name)),
            "resourceNames": storage.resource_names(found.manifest),
            "__inputs": inputs,
        }


def _id(inputs: Properties) -> str:
    return f"{inputs['namespace']}/{inputs['name']}"


def _visible(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != "checksum"}


def _supported(news: Properties) -> Properties:
    """The arguments without those that have no effect; Unsupported for others."""
    inputs = {}
    for key, value in news.items():
        if key in _WITHOUT_EFFECT or value in (None, False, "", [], {}):
            continue
        if key not in _KNOWN:
            raise Unsupported(
                f"The sandbox's kubernetes provider does not know the Release argument {key}"
            )
        inputs[key] = value
    return inputs


def _version_failures(chart: Chart, inputs: Properties) -> list[contract.CheckFailure]:
    wanted = inputs.get("version")
    if not wanted or wanted == chart.version:
        return []
    reason = f"the chart at {chart.path} has version {chart.version}, not {wanted}"
    return [contract.CheckFailure("version", reason)]


def _arguments(inputs: Properties, chart: Chart) -> list[str]:
    arguments = ["upgrade", "--install", str(inputs["name"]), str(chart.path)]
    arguments += ["--namespace", str(inputs["namespace"])]
    arguments += ["--timeout", f"{int(inputs.get('timeout') or DEFAULT_SECONDS)}s"]
    arguments += [flag for key, flag in _SWITCHES.items() if inputs.get(key)]
    arguments += ["--history-max", str(int(inputs.get("maxHistory") or 0))]
    if inputs.get("description"):
        arguments += ["--description", str(inputs["description"])]
    if chart.late_hooks and not inputs.get("skipAwait"):
        # Hooks that run after the install count on everything being ready.
        arguments.append("--wait")
        if inputs.get("waitForJobs"):
            arguments.append("--wait-for-jobs")
    return arguments


def _is_waited_for(item: Object, inputs: Properties) -> bool:
    kind = item["kind"]
    if not is_awaited(item) or kind in _NOT_AWAITED:
        return False
    if kind == "Job":
        return bool(inputs.get("waitForJobs"))
    return kind != "Service" or (item.get("spec") or {}).get("type") == "LoadBalancer"
