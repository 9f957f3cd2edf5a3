"""Asks AWS, and an InfluxDB that is another's, whether they take what the configuration of a dedicated environment says.

Only what is not deployed as it is configured is asked about: most runs change nothing of it. A shared environment has
neither nodes nor a control plane, only an image to build: what its pipeline's role may not ask stops nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cli.base.environments import Environment
from cli.base.errors import CloudError
from cli.base.settings import DEFAULT_REGION, REGION_KEY, qualified
from cli.cloud.errors import translated
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.protocol import Cloud
from cli.cloud.resource import Client
from cli.cloud.tunnel.plugin import checked_plugin
from cli.operations import losses
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight import (
    dashboards,
    existing_cluster,
    existing_network,
    existing_server,
    image_mirror,
    influxdb,
    instance_types,
    kubernetes_version,
    network,
    private_endpoint,
    rancher_certificate,
)
from cli.operations.preflight.existing_cluster import ClusterRequest
from cli.operations.preflight.existing_network import NetworkRequest
from cli.operations.preflight.existing_server import ServerRequest
from cli.operations.preflight.instance_types import TypeRequest
from cli.operations.preflight.kubernetes_version import VersionRequest
from cli.operations.preflight.refusal import Refusal
from cli.session import Session
from cli.stack.backends import Backend, Found
from infra.contract.clusters import CLUSTER
from infra.contract.naming import Names
from infra.contract.tenancy import Tenancy

VPC_CONFIG = "vpcConfig"
NODES = "aws:eks/nodeGroup:NodeGroup"
NODE_POOL = "kubernetes:karpenter.sh/v1:NodePool"


def check(
    session: Session,
    environment: Environment,
    backend: Backend,
    region: str,
    *,
    refresh: bool,
    grafana_files: Path = dashboards.FILES,
) -> None:
    """UserError for the first setting that AWS does not take, and for files that Grafana would not. What AWS may not be asked is reported, and no reason to
    stop: AWS has the last word."""
    requested, cloud = RequestedSettings(backend.plain(), {}), session.cloud(environment)
    there = backend.resources()
    deployed = next(iter(_inputs(there, losses.NETWORK, "cidrBlock")), "")
    refusal = (
        network.check(requested, deployed)
        or existing_cluster.check_settings(requested)
        or existing_network.check_settings(requested)
        or existing_server.check_settings(requested, region)
    )
    if refusal:
        raise refusal.error(environment)
    dashboards.check(requested, grafana_files)
    influxdb.check(session, environment, backend, requested, there)
    report = session.console.report
    data = _inputs(there, losses.SERVER, "userData")
    if certificate := rancher_certificate.asked(environment, requested, region, data):
        ask = partial(rancher_certificate.check, cloud.client(region), certificate, report)
        _raise(environment, report, ask)
    _mirror(environment, cloud, requested, there, report)
    if guest := existing_cluster.request(environment.name, requested, region):
        # What describes a cluster and a network of its own is not set.
        _raise(environment, report, lambda: _guest(cloud, guest, there, report))
        return
    _raise(environment, report, lambda: _endpoint(environment, requested, there, cloud, region))
    version = str(requested.value(kubernetes_version.SETTING))
    # With a look at what is really there, Pulumi compares with that, and not with the state.
    resources = [] if refresh else there
    given = existing_network.request(requested, region)
    if given:
        _raise(environment, report, lambda: _network(cloud.client(region), given, there, report))
    if server := existing_server.request(requested, region):
        _server(environment, cloud.client(region), server, there, report)
    if version not in _inputs(resources, losses.OWN_CLUSTER, "version"):
        asked = version_request(environment, requested, region)
        _raise(environment, report, lambda: kubernetes_version.check(cloud.client(region), asked))
    wanted = _wanted(requested, resources)

    def types() -> Refusal | None:
        client = cloud.client(region)
        with translated("list the instance types of the region"):
            placed = _placed(client, wanted, given) if given else wanted
            return instance_types.check(client, region, placed)

    if wanted:
        _raise(environment, report, types)


def check_shared(
    session: Session, environment: Environment, backend: Backend, of_base: Mapping[str, str]
) -> None:
    """What a shared environment has of its own that may be missing: its image's base. `of_base`: the settings that it
    takes from its base."""
    given = {qualified(key): value for key, value in of_base.items()}
    given[qualified("tenancy")] = Tenancy.shared
    requested = RequestedSettings(backend.plain(), given)
    cloud, report = session.cloud(environment), session.console.report
    _mirror(environment, cloud, requested, backend.resources(), report)


def _mirror(
    environment: Environment,
    cloud: Cloud,
    requested: RequestedSettings,
    there: Sequence[Found],
    report: Callable[[str], None],
) -> None:
    if mirror := image_mirror.request(requested, there):
        _raise(environment, report, lambda: image_mirror.check(cloud.client, mirror, report))


def of_configuration(
    session: Session,
) -> Callable[[Environment, RequestedSettings], Refusal | None]:
    """For `doctor`: judges the configured version of Kubernetes. KitError if AWS does not say."""

    def judge(environment: Environment, requested: RequestedSettings) -> Refusal | None:
        cloud = session.cloud(environment)
        if not cloud.is_up() or requested.value(CLUSTER):
            return None
        region = requested.text(REGION_KEY) or DEFAULT_REGION
        asked = version_request(environment, requested, region)
        with translated(f"show the cluster {asked.cluster}"):
            return kubernetes_version.check(cloud.client(region), asked)

    return judge


def version_request(
    environment: Environment, requested: RequestedSettings, region: str
) -> VersionRequest:
    return VersionRequest(
        environment.name,
        Names(environment.name).cluster,
        region,
        str(requested.value(kubernetes_version.SETTING)),
        bool(requested.value("rancherEnabled")),
    )


def _wanted(requested: RequestedSettings, resources: Sequence[Found]) -> list[TypeRequest]:
    """The instance types that are not deployed as they are configured."""
    types = tuple(requested.value(instance_types.NODES))
    wanted = []
    if types not in [tuple(each) for each in _inputs(resources, NODES, "instanceTypes")]:
        wanted.append(TypeRequest(instance_types.NODES, types))
    own = tuple(requested.value(instance_types.TASK_NODES))
    if requested.value("taskNodes") and own not in _pool_types(resources):
        wanted.append(TypeRequest(instance_types.TASK_NODES, own))
    server = str(requested.value(instance_types.RANCHER))
    if requested.value("rancherEnabled") and server not in _inputs(
        resources, losses.SERVER, "instanceType"
    ):
        wanted.append(TypeRequest(instance_types.RANCHER, [server], first_zone_only=True))
    return wanted


def _guest(
    cloud: Cloud, asked: ClusterRequest, there: Sequence[Found], report: Callable[[str], None]
) -> Refusal | None:
    """Judged once: what is deployed has shown that it can be, and to another cluster it does not move (`losses`)."""
    if _inputs(there, losses.TIE, CLUSTER):
        return None
    client = cloud.client(asked.region)

    def kubernetes() -> Kubernetes:
        return cloud.kubernetes(asked.spaces[0], {}, asked.cluster, asked.region)

    return existing_cluster.check(client, kubernetes, asked, report)


def _endpoint(
    environment: Environment,
    requested: RequestedSettings,
    there: Sequence[Found],
    cloud: Cloud,
    region: str,
) -> Refusal | None:
    if not cloud.runs_instances:
        return None
    return private_endpoint.check(
        environment.name,
        requested,
        _inputs(there, losses.OWN_CLUSTER, VPC_CONFIG),
        lambda: cloud.client(region),
        checked_plugin,
    )


def _network(
    client: Client, given: NetworkRequest, there: Sequence[Found], report: Callable[[str], None]
) -> Refusal | None:
    """Judged once: what a deployed environment itself has in it is no fault of the network's."""
    if {*given.subnets} in [
        {*one.get("subnetIds", ())} for one in _inputs(there, losses.OWN_CLUSTER, VPC_CONFIG)
    ]:
        if not given.balancer:
            return None
        with translated("list the subnets"):
            subnets = existing_network.look_at_subnets(client, given.of_balancer)
        return existing_network.judge_tags(given, subnets)
    found = existing_network.look(client, given)
    refusal = existing_network.judge(given, found)
    if not refusal and (said := existing_network.remark(given, found)):
        report(said)
    return refusal


def _server(
    environment: Environment,
    client: Client,
    server: ServerRequest,
    there: Sequence[Found],
    report: Callable[[str], None],
) -> None:
    """Judged once, as the network; and another secret, too."""

    def ask() -> Refusal | None:
        found = existing_server.look(client, server)
        refusal = existing_server.judge(server, found)
        if not refusal and (said := existing_server.remark(found)):
            report(said)
        return refusal

    deployed = losses.existing_server(there)
    if deployed.get("instance") != server.instance:
        _raise(environment, report, ask)
    if deployed.get("secret") != server.secret:
        _raise(environment, report, lambda: existing_server.check_secret(client, server))


def _placed(
    client: Client, wanted: Sequence[TypeRequest], given: NetworkRequest
) -> list[TypeRequest]:
    """In the zones of an existing VPC's subnets."""
    subnets = existing_network.look_at_subnets(client, given.subnets)
    zones = {key: str(one["AvailabilityZone"]) for key, one in subnets.items()}
    private = sorted({zones[one] for one in given.private if one in zones})
    server = [zones[one] for one in given.public[:1] if one in zones]
    return [replace(one, zones=server if one.first_zone_only else private) for one in wanted]


def _inputs(resources: Sequence[Found], type_: str, name: str) -> list[Any]:
    """What the deployed resources of a type have as an input."""
    return [each.inputs[name] for each in resources if each.type == type_ and each.inputs.get(name)]


def _pool_types(resources: Sequence[Found]) -> list[tuple[str, ...]]:
    """The instance types of each node pool that is deployed."""
    return [
        tuple(rule["values"])
        for spec in _inputs(resources, NODE_POOL, "spec")
        for rule in spec["template"]["spec"]["requirements"]
        if rule["key"] == "node.kubernetes.io/instance-type"
    ]


def _raise(
    environment: Environment, report: Callable[[str], None], ask: Callable[[], Refusal | None]
) -> None:
    try:
        refusal = ask()
    except CloudError as error:
        report(f"not checked before the deployment: {error.summary}: {error.detail}")
        return
    if refusal:
        raise refusal.error(environment)
