"""All that `up`, `down` and `sweep` of a shared branch ask of AWS, and what a preview does.

The program's own resources live and die by the sandbox's provider, with the inputs that the program gives
them; the command line's part is its own code; Pulumi's part is what it does with its bucket and key.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cli.cloud import eks as cloud_eks
from cli.cloud.catalogue import find
from cli.cloud.clearing import clear
from cli.cloud.lease_bucket import store_of
from cli.cloud.patience import Patience
from cli.cloud.resource import Search
from cli.operations.dags.archive import pack
from cli.operations.dags.versions import Published, Versions
from cli.operations.task_logs import TaskLogs
from infra.contract.naming import Names, secrets_key_alias, tags
from sandbox.providers import contract
from sandbox.providers.aws.clients import Aws
from sandbox.providers.aws.registry import functions, resources
from sandbox.providers.aws.resource import Known, Resource
from sandbox.wire.values import Properties
from tests.pipeline.cloud import (
    BASE,
    BRANCH,
    EVERYTHING,
    IMAGES,
    LOGS,
    PODS,
    REFUSED,
    Account,
    Session,
    as_list,
)
from tests.program.recording import Program, Registration
from tests.unit.sandbox.aws.conftest import REGION
from tests.unit.sandbox.aws.test_images import push

QUICK = Patience(limit=5.0, stuck=0.2, pause=0.05)
ROLE = "aws:iam/role:Role"


class Provider(Aws):
    """The sandbox's provider with a role's credentials."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.emulator.url, REGION)
        self._session = session

    def _make(self, service: str) -> Any:
        return self._session.client(service)


def preview(account: Account, session: Session) -> None:
    """What a preview asks: Pulumi of its stacks and their key, the program of the account."""
    state(account, session)
    provider = Provider(session)
    functions()["aws:index/getAvailabilityZones:getAvailabilityZones"](provider, {})
    functions()["aws:ecr/getAuthorizationToken:getAuthorizationToken"](provider, {})
    # Whether the repository has the image already (infra/image.py).
    functions()["aws:ecr/getImages:getImages"](provider, {"repositoryName": IMAGES})
    store = store_of(session.client, BASE, REGION)
    assert store is not None
    assert store.read() is None


def state(account: Account, session: Session) -> None:
    """What Pulumi does with the branch's stack, and with its base's."""
    s3, kms = session.client("s3"), session.client("kms")
    s3.list_objects_v2(Bucket=account.state, Prefix=".pulumi/stacks/")
    for key in (
        f".pulumi/locks/organization/aerodrome/{BRANCH}/1.json",
        f".pulumi/history/aerodrome/{BRANCH}/{BRANCH}-1.history.json",
        f".pulumi/backups/aerodrome/{BRANCH}/{BRANCH}.1.json",
        f".pulumi/stacks/aerodrome/{BRANCH}.json",
    ):
        s3.put_object(Bucket=account.state, Key=key, Body=b"{}")
        s3.get_object(Bucket=account.state, Key=key)
        s3.delete_object(Bucket=account.state, Key=key)
    alias = secrets_key_alias(BASE)
    secret = kms.encrypt(KeyId=alias, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(KeyId=alias, CiphertextBlob=secret)["Plaintext"] == b"x"


def deploy(account: Account, session: Session, branch: Program) -> None:
    """What `up`, `down` and `sweep` ask, from the first to the last."""
    preview(account, session)
    lease(session)
    up_and_destroy(account, session, branch)
    image(account, session)
    logs = TaskLogs(session.client("s3"), LOGS, Names(BRANCH, shared=True).log_prefix)
    logs.of_run("example", "1")
    session.client("s3").get_object(Bucket=LOGS, Key=f"branches/{BRANCH}/b.log")
    publish(session)
    assert cloud_eks.exists(session.client, Names(BASE).cluster)
    find(Search(session.client, None, REGION))
    leave_something(account)
    left = clear(session.client, BRANCH, lambda _: None, region=REGION, patience=QUICK)
    assert not left, [item.lines() for item in left]


def publish(session: Session) -> None:
    """As `dags push` and `up` publish DAG files."""
    store = Versions(session.client("s3"), LOGS, Names(BRANCH, shared=True).dags_prefix)
    packed = pack(Path(__file__).parent)
    read = store.pointer()
    about = Published(packed.version, "2027-01-31T00:00:00+00:00", "", "", "", True, packed.files)
    store.add(packed, about)
    store.point(about, read)
    assert store.named(packed.version[:12]) == about


def lease(session: Session) -> None:
    store = store_of(session.client, BRANCH, REGION)
    assert store is not None
    assert store.write("held", None)
    entry = store.read()
    assert entry is not None
    store.remove(entry.version)


@dataclass
class Made:
    """One of the program's resources, as an engine keeps it."""

    kind: Resource
    of: Registration
    id: str
    inputs: Properties
    outputs: Properties

    def change(self, inputs: Properties, old: Properties) -> None:
        one = self.of
        request = contract.UpdateRequest(one.urn, one.type, self.id, old, self.outputs, inputs)
        self.kind.change(request)

    def remove(self) -> None:
        self.kind.remove(Known(self.id, self.inputs, self.outputs))


def up_and_destroy(account: Account, session: Session, branch: Program) -> None:
    """The life of the program's own AWS resources, with the inputs that it gives them."""
    provider, made = Provider(session), list[Made]()
    for each in branch.resources:
        if not each.type.startswith("aws:"):
            continue
        inputs = dict(each.inputs)
        if each.type == ROLE:
            # As the other resources' inputs name it.
            inputs["name"] = each.name
        if "roleArn" in inputs:
            inputs["roleArn"] = made[0].outputs["arn"]
        made.append(_make(resources()[each.type](provider), each, inputs))
    assert made[0].of.type == ROLE
    assert len(made) == 3
    for one in made:
        if "tags" in one.inputs:
            later = {**one.inputs, "tags": {**one.inputs["tags"], "aerodrome:used": "2027-01-31"}}
            one.change(later, one.inputs)
    _bound(account, made[0])
    for one in reversed(made):
        one.remove()


def _make(kind: Resource, each: Registration, inputs: Properties) -> Made:
    checked = kind.check(contract.CheckRequest(each.urn, each.type, each.name, {}, inputs), {})
    assert not checked.failures, checked.failures
    request = contract.CreateRequest(each.urn, each.type, each.name, checked.inputs)
    result = kind.make(request)
    known = Known(result.id, checked.inputs, result.outputs)
    assert kind.look(known)
    return Made(kind, each, result.id, checked.inputs, result.outputs)


def _bound(account: Account, role: Made) -> None:
    """A role that was made before there was a pipeline gets its boundary now."""
    account.root("iam").delete_role_permissions_boundary(RoleName=role.id)
    before = {key: value for key, value in role.inputs.items() if key != "permissionsBoundary"}
    role.change(role.inputs, before)


def image(account: Account, session: Session) -> None:
    """What a push asks. The emulator has other images than these calls make: only a refusal counts."""
    ecr = session.client("ecr")
    digest, named = "sha256:" + "0" * 64, {"repositoryName": IMAGES}
    calls: dict[str, dict[str, Any]] = {
        "batch_check_layer_availability": {"layerDigests": [digest]},
        "initiate_layer_upload": {},
        "upload_layer_part": {
            "uploadId": "u",
            "partFirstByte": 0,
            "partLastByte": 1,
            "layerPartBlob": b"xx",
        },
        "complete_layer_upload": {"uploadId": "u", "layerDigests": [digest]},
        "put_image": {"imageManifest": "{}", "imageTag": f"{BRANCH}.1"},
        "batch_get_image": {"imageIds": [{"imageTag": f"{BRANCH}.1"}]},
        "get_download_url_for_layer": {"layerDigest": digest},
    }
    for operation, more in calls.items():
        try:
            getattr(ecr, operation)(**named, **more)
        except ClientError as error:
            if re.search(REFUSED, str(error)):
                raise


def leave_something(account: Account) -> None:
    """What a run that was killed leaves behind, and a driver that did not live to delete its disk."""
    names = Names(BRANCH, shared=True)
    iam, role = account.root("iam"), {"RoleName": names.of("airflow", "0abc123")}
    own = as_list(BRANCH, BASE)
    iam.create_role(**role, Path=names.iam_path, AssumeRolePolicyDocument=PODS, Tags=own)
    iam.put_role_policy(**role, PolicyName="logs", PolicyDocument=EVERYTHING)
    account.root("eks").create_pod_identity_association(
        clusterName=Names(BASE).cluster,
        namespace=names.namespace,
        serviceAccount="airflow",
        roleArn=iam.get_role(**role)["Role"]["Arn"],
        tags=tags(BRANCH, "feature/x", "never", BASE),
    )
    push(account.registry, IMAGES, f"{names.image_tag_prefix}1", b"layer")
    account.root("s3").put_object(Bucket=LOGS, Key=f"{names.log_prefix}/b.log", Body=b"x")
    disk = tags(BASE, "", "never") | {
        "kubernetes.io/created-for/pvc/namespace": names.namespace,
        "kubernetes.io/cluster/aerodrome-dev": "owned",
    }
    account.root("ec2").create_volume(
        AvailabilityZone=f"{REGION}a",
        Size=8,
        TagSpecifications=[
            {
                "ResourceType": "volume",
                "Tags": [{"Key": key, "Value": value} for key, value in disk.items()],
            }
        ],
    )


def again(account: Account) -> None:
    """As before a run that was refused half-way."""
    clear(account.root, BRANCH, lambda _: None, region=REGION, patience=QUICK)
    account.root("s3").put_object(Bucket=LOGS, Key=f"branches/{BRANCH}/b.log", Body=b"x")
    for environment in (BRANCH, BASE):
        store = store_of(account.root, environment, REGION)
        entry = store.read() if store else None
        if store and entry:
            store.remove(entry.version)
