"""A shared environment: only what must be its own, and nothing that reaches its neighbours."""

import dataclasses
import json
from typing import Any

import jsonschema
import pulumi
import pytest

from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import BRANCH_DIGEST, DIGEST, ROOT, SECRETS, Program, run_program
from tests.program.test_resources import takes_tags

IN_BASE = {"kubernetes:core/v1:Secret", "kubernetes:helm.sh/v3:Release"}
"""What may lie in the base's namespace."""


def release(program: Program, name: str) -> dict[str, Any]:
    return dict(program.one("kubernetes:helm.sh/v3:Release", name).inputs)


def test_everything_there_is(shared: Program) -> None:
    assert sorted(r.type for r in shared.resources) == [
        "aerodrome:index:Airflow",
        "aerodrome:index:BranchAccess",
        "aerodrome:index:BranchDatabase",
        "aerodrome:index:Fences",
        "aerodrome:index:Image",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
        "docker-build:index:Image",
        "kubernetes:core/v1:LimitRange",
        "kubernetes:core/v1:Namespace",
        "kubernetes:core/v1:ResourceQuota",
        *["kubernetes:core/v1:Secret"] * 6,
        *["kubernetes:helm.sh/v3:Release"] * 2,
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "pulumi:providers:kubernetes",
    ]


def test_what_takes_tags_says_whose_it_is() -> None:
    base = run_program({"environment": "test"}, SECRETS)
    days = {"expires": "2027-02-03", "used": "2027-01-31"}
    program = run_program({**BRANCH, **days}, BRANCH_SECRETS, {BASE: base})
    tagged = [r for r in program.resources if r.type.startswith("aws:") and takes_tags(r.type)]
    assert len(tagged) == 2
    role = program.one("aws:iam/role:Role")
    for resource in tagged:
        used = {"aerodrome:used": "2027-01-31"} if resource is role else {}
        assert resource.inputs["tags"] == {
            "aerodrome:environment": "test-x",
            "aerodrome:branch": "feature/x",
            "aerodrome:expires": "2027-02-03",
            "aerodrome:base": "test",
            **used,
        }


def test_one_resource_says_when_it_was_used() -> None:
    """Each use would otherwise be a change of all, in every preview of another day."""
    days = {"expires": "2027-02-03", "used": "2027-01-31"}
    program = run_program({"environment": "test", "branch": "x", **days}, SECRETS)
    tagged = [r for r in program.resources if r.type.startswith("aws:") and takes_tags(r.type)]
    moving = [r for r in tagged if "aerodrome:used" in r.inputs["tags"]]
    assert [(r.type, r.name) for r in moving] == [("aws:iam/role:Role", "aerodrome-test-airflow")]
    for resource in tagged:
        kept = 'tags["aerodrome:expires"]' in resource.ignore_changes
        assert kept is (resource not in moving), resource.name
        text = json.dumps({k: v for k, v in resource.inputs.items() if k != "tags"})
        assert "2027-0" not in text, resource.name


def test_what_lies_in_the_bases_namespace_says_whose_it_is(shared: Program) -> None:
    secret = shared.one("kubernetes:core/v1:Secret", "-branch-database")
    assert secret.inputs["metadata"] == {
        "name": "database-test-x",
        "namespace": "airflow",
        "labels": {"aerodrome/environment": "test-x", "aerodrome/base": "test"},
    }
    assert release(shared, "-branch-database")["namespace"] == "airflow"
    for resource in shared.resources:
        place = resource.inputs.get("namespace") or resource.inputs.get("metadata", {}).get(
            "namespace"
        )
        if place == "airflow":
            assert resource.type in IN_BASE
            assert resource.name == "aerodrome-test-x-branch-database"


def test_its_role_reaches_its_own_folder_only(shared: Program) -> None:
    role = shared.one("aws:iam/role:Role")
    assert role.inputs["path"] == "/aerodrome/test-x/"
    policy = json.loads(shared.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    logs, xcoms, dags, place, listing = policy["Statement"]
    bucket = "arn:aws:s3:::aerodrome-test-logs"
    assert logs["Resource"] == [f"{bucket}/branches/test-x/*"]
    assert sorted(logs["Action"]) == ["s3:GetObject", "s3:PutObject"]
    assert xcoms["Resource"] == [f"{bucket}/branches/test-x/xcom/*"]
    assert dags["Resource"] == [f"{bucket}/branch-dag-versions/test-x/*"]
    assert dags["Action"] == ["s3:GetObject"]
    assert sorted(xcoms["Action"]) == ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    assert (place["Action"], place["Resource"]) == (["s3:GetBucketLocation"], [bucket])
    assert listing["Resource"] == [bucket]
    prefixes = listing["Condition"]["StringLike"]["s3:prefix"]
    own = ("branches/test-x", "branch-dag-versions/test-x")
    assert all(one in own or one.rpartition("/")[0].startswith(own) for one in prefixes)


def test_only_its_own_pods_get_the_role(shared: Program) -> None:
    association = shared.one("aws:eks/podIdentityAssociation:PodIdentityAssociation").inputs
    assert association["namespace"] == "airflow-test-x"
    assert association["serviceAccount"] == "airflow"
    assert association["clusterName"] == "cluster"


def test_the_image_goes_to_the_bases_repository_under_its_own_tag(shared: Program) -> None:
    (tag,) = shared.one("docker-build:index:Image").inputs["tags"]
    repository, _, name = tag.rpartition(":")
    assert repository == "123.dkr.ecr.eu-north-1.amazonaws.com/aerodrome-test-airflow"
    assert name.startswith("test-x.")


def test_its_database_is_made_with_the_bases_image_and_secret(shared: Program) -> None:
    inputs = release(shared, "-branch-database")
    values = inputs["values"]
    schema = ROOT / "charts" / "branch-database" / "values.schema.json"
    jsonschema.validate(values, json.loads(schema.read_text()))
    assert values["database"] == "airflow_test_x"
    # The password that makes databases must meet no program of the branch.
    assert values["image"].endswith(f"aerodrome-test-airflow@{DIGEST}")
    assert values["adminSecret"] == "airflow-database"
    assert inputs["waitForJobs"] is True


def test_its_airflow_connects_as_its_own_user(shared: Program) -> None:
    secret = shared.one("kubernetes:core/v1:Secret", "-airflow-database").inputs["stringData"]
    assert secret["connection"] == (
        "postgresql+psycopg2://airflow_test_x:branch%2Fp%40ssword@"
        "airflow-database.airflow.svc.cluster.local:5432/airflow_test_x"
    )


def test_on_rds_it_connects_with_tls() -> None:
    base = run_program({"environment": "test", "database": "rds"}, SECRETS)
    program = run_program(BRANCH, BRANCH_SECRETS, {BASE: base})
    secret = program.one("kubernetes:core/v1:Secret", "-airflow-database").inputs["stringData"]
    assert secret["connection"].endswith(
        "@aerodrome-test-database.rds.example.com:5432/airflow_test_x?sslmode=require"
    )


def test_the_chart_accepts_the_values(shared: Program) -> None:
    values = release(shared, "-airflow")["values"]
    schema = json.loads((ROOT / "charts" / "airflow" / "values.schema.json").read_text())
    jsonschema.validate(values, schema)
    assert values["postgres"] == {"enabled": False}
    assert values["image"]["digest"] == BRANCH_DIGEST
    assert values["logs"]["prefix"] == "branches/test-x"
    # Below it: `down` deletes the one folder with all that is in it.
    assert values["xcom"]["prefix"] == "branches/test-x/xcom"
    # Two branches on a cluster can not have the same one.
    assert "nodePort" not in values["ui"]


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        # Read backwards: the database is dropped when nobody uses it any more.
        (
            ("kubernetes:helm.sh/v3:Release", "-airflow"),
            ("kubernetes:helm.sh/v3:Release", "-branch-database"),
        ),
        (
            ("kubernetes:helm.sh/v3:Release", "-branch-database"),
            ("kubernetes:core/v1:Secret", "-branch-database"),
        ),
        (
            ("aws:eks/podIdentityAssociation:PodIdentityAssociation", ""),
            ("aws:iam/rolePolicy:RolePolicy", ""),
        ),
    ],
)
def test_what_comes_later_goes_first(
    shared: Program, later: tuple[str, str], earlier: tuple[str, str]
) -> None:
    assert shared.depends_on(shared.one(*later), shared.one(*earlier))


class TestNamespaceIsolation:
    def test_they_are_around_its_namespace(self, shared: Program) -> None:
        for kind in ("core/v1:ResourceQuota", "core/v1:LimitRange"):
            metadata = shared.one(f"kubernetes:{kind}").inputs["metadata"]
            assert metadata["namespace"] == "airflow-test-x"

    def test_pods_stay_off_the_node(self, shared: Program) -> None:
        labels = shared.one("kubernetes:core/v1:Namespace").inputs["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"

    def test_nobody_gets_in_and_only_named_ways_lead_out(self, shared: Program) -> None:
        spec = shared.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs["spec"]
        assert spec["podSelector"] == {}
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert "ingress" not in spec
        # Wherever a rule names no place, it names ports on which no other environment listens.
        anywhere = [rule for rule in spec["egress"] if "to" not in rule]
        assert [port["port"] for rule in anywhere for port in rule["ports"]] == [5432, 443]
        within = [rule for rule in spec["egress"] if "ports" not in rule]
        assert within == [{"to": [{"podSelector": {}}]}]

    def test_a_branch_costs_its_pods_and_volumes_only(self, shared: Program) -> None:
        hard = shared.one("kubernetes:core/v1:ResourceQuota").inputs["spec"]["hard"]
        assert hard["services.loadbalancers"] == "0"


@pytest.mark.parametrize("key", BRANCH_SECRETS)
def test_no_secret_travels_in_clear(shared: Program, key: str) -> None:
    for resource in shared.resources:
        for name, value in resource.inputs.items():
            if BRANCH_SECRETS[key] in json.dumps(value):
                assert name in resource.secret_inputs, f"{resource.name}.{name}"


def test_nothing_that_it_reads_of_its_base_is_secret(shared: Program) -> None:
    """The base's secrets are encrypted with a key that a branch may not have."""
    assert shared.secret_outputs == set()
    assert shared.one("pulumi:providers:kubernetes").secret_inputs == set()
    assert not any(text in json.dumps(shared.outputs) for text in BRANCH_SECRETS.values())


def test_it_tells_what_every_environment_tells(program: Program, shared: Program) -> None:
    missing = program.outputs.keys() - shared.outputs.keys()
    assert missing == {
        "contract",
        "logBucketArn",
        "logsUrl",
        "branchUi",
        "repositories",
        "postgresImageRef",
        "databaseHost",
        "databaseInstance",
        "metricsHost",
        "databaseTls",
        "databaseAdminSecretName",
        "storageClass",
        "taskNodes",
        "rancherAddress",
        "rancherTokenSecret",
        "rancherAccessKeyId",
        "rancherSecretAccessKey",
    }
    assert shared.outputs["namespace"] == "airflow-test-x"
    assert shared.outputs["logPrefix"] == "branches/test-x"
    assert (shared.outputs["tenancy"], shared.outputs["base"]) == ("shared", "test")


def test_the_base_lets_its_branches_reach_its_database(program: Program, shared: Program) -> None:
    admitted = release(program, "-airflow")["values"]["postgres"]["admittedNamespaces"]
    labels = shared.one("kubernetes:core/v1:Namespace").inputs["metadata"]["labels"]
    assert admitted
    assert admitted.items() <= labels.items()


def refusal(base: Program) -> str:
    """What a branch says to such a base."""
    with pytest.raises(pulumi.RunError) as caught:
        run_program(BRANCH, BRANCH_SECRETS, {BASE: base})
    return str(caught.value)


def telling(base: Program, **outputs: Any) -> Program:
    told = {**base.outputs, **outputs}
    kept = {key: value for key, value in told.items() if value is not None}
    return dataclasses.replace(base, outputs=kept)


@pytest.mark.parametrize("contract", [None, 0])
def test_a_base_of_an_older_version(program: Program, contract: int | None) -> None:
    assert refusal(telling(program, contract=contract)) == (
        'The base environment "test" was deployed by an older version, or not to its end\n'
        "Bring it up to date first:\n"
        "./aerodrome up --env test"
    )


def test_a_base_that_is_a_branch_itself(program: Program) -> None:
    message = refusal(telling(program, tenancy="shared", contract=None))
    assert message.startswith('Environment "test" is itself shared, and carries no other')


def test_a_base_that_the_version_before_deployed(program: Program) -> None:
    former = telling(program, tenancy=None)
    assert former.outputs["rung"] == "dedicated"
    run_program(BRANCH, BRANCH_SECRETS, {BASE: former})
    message = refusal(telling(program, tenancy=None, rung="shared"))
    assert "is itself shared" in message


def test_a_base_in_another_region(program: Program) -> None:
    message = refusal(telling(program, region="eu-west-1"))
    assert message == (
        "base environment test is in eu-west-1, this one is configured for eu-north-1: "
        "run pulumi config set aws:region eu-west-1"
    )
