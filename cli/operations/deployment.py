"""`up` of an environment, phase by phase: sandbox, deployment, proof. Verbs call this; it calls
the backends. How an environment goes is in `cli.operations.teardown`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from cli.base import lease, lifetime
from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.phases import Phases
from cli.base.record import Record
from cli.base.settings import DEFAULT_REGION, REGION_KEY, qualified
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.protocol import Cloud
from cli.operations import (
    access,
    airflow_versions,
    bases,
    declared,
    drift,
    existing_cluster,
    hindrances,
    ingress,
    losses,
)
from cli.operations.airflow_versions import VersionChange
from cli.operations.dags import unfinished
from cli.operations.dags.unfinished import UnfinishedRun
from cli.operations.live import Live
from cli.operations.rotation import encryption
from cli.session import Session
from cli.stack import stack_config
from cli.stack.backends import Backend, Outcome
from cli.stack.stack_config import Placement
from infra.contract import dag_sources, existing_server
from infra.contract.naming import Names, secrets_provider

if TYPE_CHECKING:
    from cli.base.airflow import Airflow


@dataclass(frozen=True)
class UpOptions:
    """The options of `up`."""

    prove: bool | None = None
    """None: if something changed, or it was not proved yet."""

    tenancy: str | None = None
    lifetime: str | None = None
    """Days, or `never`; None: as it is."""

    agree: Callable[[Outcome], None] | None = None
    """Shown what would change on AWS; raises UserError if that is not wanted."""

    refresh: bool = False
    """Look first at what is really there, resource by resource."""

    values: Sequence[str] | None = None
    """Files with values of the chart, from the project's folder; None: as configured."""

    discard_data: bool = False
    """Whether the data that a changed configuration destroys may go."""


@dataclass(frozen=True)
class Deployed:
    """The result of `up`."""

    outcome: Outcome
    placement: Placement
    expires: str
    airflow: VersionChange
    addresses: tuple[str, ...] = ()
    """Of the UI; none if only a forwarded port leads there."""

    url: str = ""
    """People's address, by HTTPS."""

    proof: dict[str, Any] = field(default_factory=dict)
    proved_now: bool = False
    declared: Mapping[str, list[str]] = field(default_factory=dict)
    """What was done to pools, variables and connections that somebody had changed."""

    access: Mapping[str, list[str]] = field(default_factory=dict)
    """What was done to roles and users."""

    encrypted: Mapping[str, int] = field(default_factory=dict)
    """Rows of the database that were in clear text, by table."""

    rancher: Mapping[str, Any] = field(default_factory=dict)
    """The registration in the environment's own Rancher; {} without one."""

    unfinished: tuple[UnfinishedRun, ...] = ()
    """Runs that had begun when their DAG's file changed."""


@dataclass(frozen=True)
class DeploymentPlan:
    """An environment that may be deployed: its base was checked, and nothing is created yet."""

    environment: Environment
    placement: Placement
    region: str
    lifetime: str | None


def plan(session: Session, environment: Environment, options: UpOptions) -> DeploymentPlan:
    """UserError if it can not be deployed as asked."""
    if options.lifetime is not None:
        lifetime.after(options.lifetime, session.today())
    cloud = session.cloud(environment)
    # The plan looks at the other environments on a sandbox, whose states are locked with it.
    cloud.unlock()
    backend = session.backend(environment)
    placement = stack_config.placement(environment, backend, options.tenancy)
    if environment.branch:
        # Only here is it sure that the branch is one of the repository that the command was called in.
        known = session.checkout().repositories()
        placement = replace(placement, repository=next(iter(known), ""))
    region = DEFAULT_REGION
    if placement.shared:
        region = bases.check(session, placement.base).region or DEFAULT_REGION
    else:
        _alone(session, environment, cloud)
        # A branch's that is dedicated goes where its base is.
        configured = session.backend(Environment(environment.base)) if environment.base else backend
        region = configured.plain().get(REGION_KEY, DEFAULT_REGION)
    return DeploymentPlan(environment, placement, region, options.lifetime)


def _alone(session: Session, environment: Environment, cloud: Cloud) -> None:
    """UserError if its sandbox carries another environment of its tenancy: they would share everything."""
    for name in cloud.neighbours():
        other = Environment(name)
        backend = session.backend(other)
        if name == environment.name or not backend.deployed():
            continue
        if not stack_config.placement(other, backend).shared:
            raise UserError(
                f'The sandbox "{session.sandbox_name}" carries the environment "{name}" already',
                "A dedicated environment has a sandbox of its own. Give it another one:",
                "AERODROME_SANDBOX=NAME AERODROME_UI_PORT=PORT ./aerodrome up"
                f"{session.same} --tenancy dedicated",
            )


def configure(session: Session, plan: DeploymentPlan, backend: Backend) -> None:
    """Stack and configuration, as far as `up` makes them."""
    environment, placement = plan.environment, plan.placement
    for warning in backend.rename_former_keys():
        session.console.note(f"warning: {warning}")
    cloud = session.cloud(environment)
    if cloud.configures:
        if not cloud.has_passphrase:
            # The base's key encrypts its branches' secrets too: who may deploy one may the others.
            backend.create(secrets_provider(environment.base, plan.region))
        settings = {
            **_of_base(session, plan, backend),
            **cloud.settings(shared=placement.shared),
        }
        stack_config.check_place(environment, cloud.refusal, backend.plain())
        stack_config.complete(environment, backend, placement, plan.region, settings)
    if made := access.make_passwords(backend):
        session.console.report(f"first passwords are made up for {', '.join(made)}")
    if placement.of_branch:
        stack_config.keep(backend, _expires(session, plan, backend), session.today())


def _of_base(session: Session, plan: DeploymentPlan, backend: Backend) -> dict[str, str]:
    """The settings that a shared environment gets from its base now, where it has none of its own."""
    base = plan.placement.base
    if not base or not session.cloud(plan.environment).configures:
        return {}
    return stack_config.with_base(backend.configured(), session.backend(Environment(base)).plain())


def check(
    session: Session, planned: DeploymentPlan, backend: Backend, *, refresh: bool = False
) -> None:
    """UserError for what AWS, a mirror or a server outside does not take or have: asked before anything is made."""
    # Not earlier: `--help` loads this module.
    from cli.operations.preflight import checks, outside_logs

    environment = planned.environment
    if planned.placement.shared:
        # Its cloud and its servers are its base's.
        of_base = _of_base(session, planned, backend)
        checks.check_shared(session, environment, backend, of_base)
        return
    checks.check(session, environment, backend, planned.region, refresh=refresh)
    outside_logs.check(session, environment, backend)


def _expires(session: Session, plan: DeploymentPlan, backend: Backend) -> str:
    if plan.lifetime is not None:
        return lifetime.after(plan.lifetime, session.today())
    return lifetime.kept(backend.plain().get(stack_config.EXPIRES_KEY, ""), session.today())


def deploy(
    session: Session, environment: Environment, phases: Phases, options: UpOptions = UpOptions()
) -> Deployed:
    """Brings an environment up, and sees one DAG run green."""
    planned = plan(session, environment, options)
    with alone_at_work(session, planned):
        session.cloud(environment).begin(phases)
        return _deployed(session, planned, phases, options)


def deploy_again(
    session: Session,
    planned: DeploymentPlan,
    phases: Phases,
    title: str,
    options: UpOptions = UpOptions(prove=False),
) -> Deployed:
    """Deploys what is configured now, without a proof if nothing else is said: a part of a longer work, whose lease the
    caller holds."""
    return _deployed(session, planned, phases, options, title)


@contextmanager
def alone_at_work(session: Session, planned: DeploymentPlan, doing: str = "up") -> Iterator[None]:
    """One `up`, `down`, `upgrade` or `secrets rotate` of an environment at a time."""
    store = session.cloud(planned.environment).lease_store(planned.region)
    if store is None:
        session.console.report(
            "the account has no bucket of bootstrap's for a lease: only Pulumi's own lock keeps a second "
            "run away, from `pulumi up` to its end and not during the proof"
        )
        yield
        return
    base = planned.placement.base if planned.placement.shared else ""
    with lease.held(planned.environment, doing, session.console.report, store, base):
        if base:
            bases.stays(session, base)
        yield


def _deployed(
    session: Session,
    planned: DeploymentPlan,
    phases: Phases,
    options: UpOptions,
    title: str = "deployment",
) -> Deployed:
    environment = planned.environment
    backend = session.backend(environment)
    record = _current(session, environment, backend)
    with phases.phase(title):
        check(session, planned, backend, refresh=options.refresh)
        for loss in losses.check(environment, backend, agreed=options.discard_data):
            session.console.note(f"data goes: {loss.text}")
        airflow = version_change(session, environment, backend)
        check_fernet_key(session, environment, backend)
        configure(session, planned, backend)
        with stack_config.values_unless_refused(backend, options.values):
            if options.agree:
                shown = backend.preview(session.console.stderr, refresh=options.refresh)
                losses.check_steps(environment, shown, agreed=options.discard_data)
                options.agree(shown)
            begun = touched_runs(session, environment, backend)
            synced = _last_sync(session, environment, backend)
            with ThreadPoolExecutor(1) as pool:
                # Beside Pulumi, which takes longer: most runs change nothing.
                early = pool.submit(_looked, session, environment)
                outcome = _watched(session, planned, backend, refresh=options.refresh)
        live = Live(session, environment, backend, outcome.outputs)
        found = early.result() if not outcome.changed else None
        outcome = _made_good(live, outcome, found)
        encrypted = encryption.encrypted_since(live, synced)
        kept = declared.keep(live, synced)
        access_kept = access.keep(live, synced)
        registered = _registered(live)
    version = _published(live)
    for lack in ingress.missing(live):
        session.console.note(f"warning: {lack}")
    expires = backend.plain().get(stack_config.EXPIRES_KEY, lifetime.NEVER)
    done = Deployed(
        outcome,
        planned.placement,
        expires,
        airflow,
        live.addresses,
        live.outputs.ui_url,
        declared=kept,
        access=access_kept,
        encrypted=encrypted,
        rancher=registered,
        unfinished=tuple(begun),
    )
    due = bool(outcome.changed) or (record is not None and not record.proof)
    if begun:
        _settled(live, begun, version)
    if not (due if options.prove is None else options.prove):
        return replace(done, proof=record.proof if record else {})
    if record is not None:
        record = record.proved({})
        record.write(environment)
    with phases.phase("proof"):
        proof = proved(live, version)
    if record is not None:
        record.proved(proof).write(environment)
    return replace(done, proof=proof, proved_now=True)


def _watched(
    session: Session, planned: DeploymentPlan, backend: Backend, *, refresh: bool
) -> Outcome:
    """`up`, as long as it can succeed; a failure includes the reasons of pods and Jobs."""
    environment, base = planned.environment, planned.placement.base
    shared = planned.placement.shared
    server = backend.plain().get(qualified(existing_server.INSTANCE), "")
    names = Names(environment.name, shared=shared, existing_server=bool(server and not shared))

    @cache
    def kubernetes() -> Kubernetes:
        outputs = backend.outputs()
        cluster = outputs.cluster_name or existing_cluster.configured(
            session, environment.name, base if shared else "", backend.plain()
        )
        cloud = session.cloud(environment)
        return cloud.kubernetes(names.namespace, outputs, cluster, planned.region)

    with hindrances.watched(kubernetes, hindrances.places(names, base if shared else "")) as watch:
        try:
            return backend.up(session.console.stderr, refresh=refresh, stop=lambda: watch.reason)
        except UserError:
            raise
        except KitError as error:
            if not watch.reason or watch.reason in error.detail:
                raise
            detail = f"{watch.reason}\n{error.detail}"
            raise KitError(error.summary, detail, error.command) from error


def _last_sync(session: Session, environment: Environment, backend: Backend) -> str:
    if not backend.deployed():
        return ""
    return declared.last_sync(Live(session, environment, backend, backend.outputs()))


def _looked(session: Session, environment: Environment) -> drift.Drift | None:
    """The drift in the cluster; None if nothing is deployed yet, or the cluster cannot be reached."""
    try:
        backend = session.backend(environment)
        if not (resources := backend.resources()):
            return None
        live = Live(session, environment, backend, backend.outputs())
        return drift.look(live.kubernetes, resources)
    except KitError:
        # What is wrong will show when it is looked at again.
        return None


def _made_good(live: Live, outcome: Outcome, found: drift.Drift | None) -> Outcome:
    """Repairs what somebody has deleted or edited in the cluster since it was deployed."""
    if found is None:
        found = drift.look(live.kubernetes, live.backend.resources())
    if not found.labels:
        return outcome
    report = live.session.console.report
    report(f"drift: {', '.join(found.labels)}")
    if found.gone:
        # Only a look at each resource tells Pulumi that it is gone.
        again = live.backend.up(live.session.console.stderr, refresh=True)
        outcome = replace(again, seconds=outcome.seconds + again.seconds)
        found = drift.look(live.kubernetes, live.backend.resources())
    drift.repair(live.kubernetes, found)
    if repaired := len(found.missing) + len(found.changed):
        report(f"restored as deployed: {', '.join(found.labels)}")
        outcome = replace(outcome, changes={**outcome.changes, "repair": repaired})
    return outcome


def _registered(live: Live) -> dict[str, Any]:
    if live.shared:
        from cli.operations.rancher.own import follow_base

        follow_base(live)
        return {}
    if not live.outputs.rancher_address:
        return {}
    from cli.operations.rancher.own import register_own

    return register_own(live)


def _published(live: Live) -> str:
    """The version of its DAG files, if they have versions and are the checkout's."""
    if not live.outputs.dags_prefix:
        return ""
    from cli.operations.dags import publication

    return publication.of_checkout(live, live.session.console.report)


def proved(live: Live, version: str = "") -> dict[str, Any]:
    """One DAG run, seen green."""
    from cli.base.airflow import PATIENCE
    from cli.operations import task_logs
    from cli.operations.proof import prove

    logs = task_logs.from_outputs(live.client("s3"), live.outputs)
    report = live.session.console.report
    with live.airflow(PATIENCE) as airflow:
        proof = prove(airflow, logs, report).data()
        # After the run, during which Airflow has gone on parsing.
        _parsed(live, airflow, version)
    return proof


def _parsed(live: Live, airflow: "Airflow", version: str) -> None:
    """Every DAG file of the image, by the Airflow that runs now; KitError with those it does not take."""
    from cli.operations.dags import image, rollout

    if pod := image.processor(live):
        known = image.record(live, pod)
        if known and not version and live.outputs.dags != dag_sources.IMAGE:
            known = known.without_teams()
        report = live.session.console.report
        rollout.check(airflow, known, rollout.started(pod), report, version=version)


def version_change(session: Session, environment: Environment, backend: Backend) -> VersionChange:
    """What a deployment does to the version of Airflow, reported. UserError if it leads back."""
    if not backend.deployed():
        return VersionChange("", airflow_versions.of_checkout())
    live = Live(session, environment, backend, backend.outputs())
    return airflow_versions.check(live, session.console.report)


def check_fernet_key(session: Session, environment: Environment, backend: Backend) -> None:
    """UserError if the configured Fernet key does not read what the deployed one does."""
    if backend.deployed():
        encryption.check_key(Live(session, environment, backend, backend.outputs()))


def touched_runs(
    session: Session, environment: Environment, backend: Backend
) -> list[UnfinishedRun]:
    """Unfinished runs whose DAG's file would be another after a deployment; each is reported."""
    if not backend.deployed():
        return []
    live = Live(session, environment, backend, backend.outputs())
    if live.outputs.dags_prefix:
        from cli.operations.dags import publication

        return publication.look(live, session.console.report)
    if live.outputs.dags != dag_sources.IMAGE:
        # They change with the repository, and runs end with the commit that they began with.
        return []
    return unfinished.look(live, session.console.report)


def _settled(live: Live, begun: list[UnfinishedRun], version: str) -> None:
    """No run that had begun ends green, or never, because its unfinished tasks are gone."""
    from cli.base.airflow import PATIENCE

    with live.airflow(PATIENCE) as airflow:
        # The proof tells of files that were not parsed; the others are looked after none the less.
        with suppress(KitError):
            _parsed(live, airflow, version)
        unfinished.settle(airflow, begun, live.session.console.report)


def _current(session: Session, environment: Environment, backend: Backend) -> Record | None:
    """The environment's record on a sandbox; a state that tells of an earlier sandbox is forgotten."""
    life = session.cloud(environment).life()
    if not life:
        return None
    record = Record.read(environment)
    if record is not None and record.identity == life:
        return record
    if backend.deployed():
        backend.forget()
        session.console.report("the sandbox is a new one: the state of the old one is removed")
    record = Record(session.sandbox_name, life)
    record.write(environment)
    return record
