"""What the program asks for, and in which order it may be taken apart."""

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import pulumi
import pulumi_aws as aws
import pytest

from infra import stack
from infra.contract.outputs import Output, Outputs
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import DIGEST, ROOT, SECRETS, Program, Registration, run_program

TAGS = {
    "aerodrome:environment": "test",
    "aerodrome:branch": "",
    "aerodrome:expires": "never",
}


def takes_tags(token: str) -> bool:
    """Whether pulumi_aws's class of this type has a `tags` property."""
    module, name = token.split(":")[1].split("/")[0], token.rpartition(":")[2]
    return "tags" in dir(getattr(getattr(aws, module), name))


def test_every_aws_resource_that_takes_tags_has_them(program: Program) -> None:
    tagged = 0
    for resource in program.resources:
        if resource.type.startswith("aws:") and takes_tags(resource.type):
            assert TAGS.items() <= resource.inputs["tags"].items(), resource.name
            tagged += 1
    assert tagged > 25


@pytest.mark.parametrize(
    ("token", "tagged"),
    [
        ("aws:eks/nodeGroup:NodeGroup", True),
        ("aws:ec2/securityGroup:SecurityGroup", True),
        ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", False),
        # Its tags are a list.
        ("aws:autoscaling/group:Group", False),
        ("aws:nothing/known:Known", False),
        ("kubernetes:core/v1:Secret", False),
        ("pulumi:providers:aws", False),
    ],
)
def test_the_sdk_says_which_types_take_a_map_of_tags(token: str, tagged: bool) -> None:
    assert stack.takes_tags(token) is tagged


def test_disks_that_aws_makes_by_itself_are_tagged_too(program: Program) -> None:
    # None that changes from day to day: the class, and every disk's claim, would be replaced.
    lasting = {key: value for key, value in TAGS.items() if key != "aerodrome:expires"}
    disk = program.one("aws:ec2/instance:Instance").inputs["rootBlockDevice"]
    assert disk["tags"] == {**lasting, "Name": "aerodrome-test-rancher"}
    parameters = program.one("kubernetes:storage.k8s.io/v1:StorageClass").inputs["parameters"]
    given = {v for k, v in parameters.items() if k.startswith("tagSpecification_")}
    assert given == {f"{key}={value}" for key, value in lasting.items()}


def test_components_of_pulumi_eks_get_the_provider_of_the_program(program: Program) -> None:
    version = metadata.version("pulumi_aws")
    (adapt,), (adapt_call,) = program.transforms, program.invoke_transforms

    def adapted(type_: str, asked_for: str) -> Any:
        options = pulumi.ResourceOptions(version=asked_for, protect=True)
        return adapt(pulumi.ResourceTransformArgs(True, type_, "x", {"role": "r"}, options))

    child = adapted("aws:eks/addon:Addon", "7.25.0")
    assert child.opts.version == version
    assert child.opts.protect
    assert child.props.keys() == {"role", "tags"}
    assert adapted("aws:iam/rolePolicyAttachment:RolePolicyAttachment", version) is None
    assert adapted("kubernetes:core/v1:Secret", "4.0.0") is None
    asked = pulumi.InvokeOptions(version="7.25.0")
    function = "aws:eks/getAddonVersion:getAddonVersion"
    assert adapt_call(pulumi.InvokeTransformArgs(function, {}, asked)).opts.version == version
    assert adapt_call(pulumi.InvokeTransformArgs(function, {}, asked)) is None


def test_the_program_reads_as_a_list() -> None:
    lines = (ROOT / "infra" / "__main__.py").read_text().splitlines()
    assert len(lines) < 60


def test_two_zones_and_one_nat_gateway(program: Program) -> None:
    subnets = program.of_type("aws:ec2/subnet:Subnet")
    assert len(subnets) == 4
    assert {s.inputs["availabilityZone"] for s in subnets} == {"eu-north-1a", "eu-north-1b"}
    assert len(program.of_type("aws:ec2/natGateway:NatGateway")) == 1


def test_each_zone_may_have_a_way_out_of_its_own(program: Program) -> None:
    apart = run_program({"environment": "test", "natPerZone": "true"}, SECRETS)
    gateways = apart.of_type("aws:ec2/natGateway:NatGateway")
    assert [each.inputs["subnetId"] for each in gateways] == [
        "aerodrome-test-public-eu-north-1a-id",
        "aerodrome-test-public-eu-north-1b-id",
    ]
    routes = {
        each.inputs["routeTableId"]: each.inputs.get("natGatewayId")
        for each in apart.of_type("aws:ec2/route:Route")
    }
    ways = {
        each.inputs["subnetId"]: routes[each.inputs["routeTableId"]]
        for each in apart.of_type("aws:ec2/routeTableAssociation:RouteTableAssociation")
    }
    for zone, gateway in (("eu-north-1a", ""), ("eu-north-1b", "-eu-north-1b")):
        assert ways[f"aerodrome-test-private-{zone}-id"] == f"aerodrome-test-nat{gateway}-id"
    # What there is with one gateway stays: only the second zone's subnet changes its table.
    kept = {(one.type, one.name) for one in apart.resources}
    assert {(one.type, one.name) for one in program.resources} <= kept


def test_s3_is_reached_past_the_nat_gateway(program: Program) -> None:
    endpoint = program.one("aws:ec2/vpcEndpoint:VpcEndpoint")
    assert endpoint.inputs["serviceName"] == "com.amazonaws.eu-north-1.s3"
    assert endpoint.inputs["vpcEndpointType"] == "Gateway"
    tables = {f"{each.name}-id" for each in program.of_type("aws:ec2/routeTable:RouteTable")}
    assert set(endpoint.inputs["routeTableIds"]) == tables
    assert program.depends_on(program.one("eks:index:Cluster"), endpoint)


def test_other_services_have_an_address_in_each_zone_that_only_the_network_may_call() -> None:
    settings = {"environment": "test", "vpcEndpoints": '["s3", "ecr", "sts", "logs"]'}
    program = run_program(settings, SECRETS)
    found = program.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")
    interfaces = [each.inputs for each in found if each.inputs["vpcEndpointType"] == "Interface"]
    names = {each["serviceName"].removeprefix("com.amazonaws.eu-north-1.") for each in interfaces}
    assert names == {"ecr.api", "ecr.dkr", "sts", "logs"}
    (group,) = (
        each
        for each in program.of_type("aws:ec2/securityGroup:SecurityGroup")
        if each.name.endswith("-endpoints")
    )
    assert [(rule["toPort"], rule["cidrBlocks"]) for rule in group.inputs["ingress"]] == [
        (443, ["10.20.0.0/16"])
    ]
    for each in interfaces:
        assert each["privateDnsEnabled"] is True
        assert each["securityGroupIds"] == [f"{group.name}-id"]
        assert each["subnetIds"] == [
            f"aerodrome-test-private-{zone}-id" for zone in ("eu-north-1a", "eu-north-1b")
        ]


def test_an_environment_may_do_without_endpoints() -> None:
    program = run_program({"environment": "test", "vpcEndpoints": "[]"}, SECRETS)
    assert not of(program.resources, "aws:ec2/vpcEndpoint:VpcEndpoint")


def test_images_are_used_by_digest(program: Program) -> None:
    values = program.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    assert values["image"]["digest"] == DIGEST
    assert values["postgres"]["image"]["digest"] == DIGEST
    assert program.outputs["imageRef"].endswith(f"@{DIGEST}")


def test_the_chart_accepts_the_values(program: Program) -> None:
    schema = json.loads((ROOT / "charts" / "airflow" / "values.schema.json").read_text())
    values = program.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    jsonschema.validate(values, schema)


def test_paths_are_relative_to_the_program(program: Program) -> None:
    """An absolute path would make every other checkout a change."""
    main = ROOT / "infra"
    chart = program.one("kubernetes:helm.sh/v3:Release").inputs["chart"]
    assert (main / chart / "Chart.yaml").is_file()
    for image in program.of_type("docker-build:index:Image"):
        containerfile = Path(image.inputs["dockerfile"]["location"])
        assert not containerfile.is_absolute()
        assert (main / containerfile).is_file()


def test_the_name_of_an_image_says_its_content(program: Program) -> None:
    image = program.one("docker-build:index:Image", "airflow")
    (tag,) = image.inputs["tags"]
    assert re.fullmatch(r"test\.[0-9a-f]{12}", tag.rpartition(":")[2])


def test_the_examples_can_be_left_out_of_the_image(program: Program) -> None:
    # A name of its own: tags are immutable, and the content is another one.
    without = run_program({"environment": "test", "exampleDags": "false"}, SECRETS)
    images = [one.one("docker-build:index:Image", "airflow") for one in (program, without)]
    assert images[0].inputs["tags"] != images[1].inputs["tags"]
    assert "buildArgs" not in images[0].inputs
    assert images[1].inputs["buildArgs"] == {"WITHOUT": "dags/examples"}


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        # EKS would make a log group of its own.
        (("eks:index:Cluster", ""), ("aws:cloudwatch/logGroup:LogGroup", "")),
        # What follows is the order of going, read backwards (docs/architecture.md).
        (("kubernetes:helm.sh/v3:Release", ""), ("kubernetes:core/v1:Secret", "-airflow-fernet")),
        (
            ("kubernetes:helm.sh/v3:Release", ""),
            ("aws:eks/podIdentityAssociation:PodIdentityAssociation", "-airflow"),
        ),
        (
            ("kubernetes:helm.sh/v3:Release", ""),
            ("kubernetes:storage.k8s.io/v1:StorageClass", ""),
        ),
        (
            ("kubernetes:helm.sh/v3:Release", ""),
            ("aws:eks/podIdentityAssociation:PodIdentityAssociation", "-backup"),
        ),
        (
            ("kubernetes:helm.sh/v3:Release", ""),
            ("aws:eks/podIdentityAssociation:PodIdentityAssociation", "-clean"),
        ),
        (("kubernetes:helm.sh/v3:Release", ""), ("eks:index:Addon", "-aws-ebs-csi-driver")),
        (("kubernetes:core/v1:Namespace", ""), ("eks:index:ManagedNodeGroup", "")),
        (("eks:index:Addon", "-aws-ebs-csi-driver"), ("eks:index:ManagedNodeGroup", "")),
        (("eks:index:ManagedNodeGroup", ""), ("aws:ec2/natGateway:NatGateway", "")),
        (("eks:index:Cluster", ""), ("aws:ec2/route:Route", "-private-internet")),
        (("aws:iam/rolePolicy:RolePolicy", "-airflow"), ("aws:iam/role:Role", "-airflow")),
        (
            ("aws:eks/podIdentityAssociation:PodIdentityAssociation", "-airflow"),
            ("aws:iam/rolePolicy:RolePolicy", "-airflow"),
        ),
        (("aws:ec2/natGateway:NatGateway", ""), ("aws:ec2/internetGateway:InternetGateway", "")),
    ],
)
def test_what_comes_later_goes_first(
    program: Program, later: tuple[str, str], earlier: tuple[str, str]
) -> None:
    assert program.depends_on(program.one(*later), program.one(*earlier))


def test_a_new_image_of_amazon_does_not_replace_the_rancher_server(program: Program) -> None:
    assert program.one("aws:ec2/instance:Instance").ignore_changes == ("ami",)


def test_every_output_that_is_declared_is_exported(program: Program) -> None:
    declared = [value for value in vars(Outputs).values() if isinstance(value, Output)]
    optional = {
        Outputs.branch_boundary.key,
        Outputs.flower_service.key,
        Outputs.flower_port.key,
    }
    keys = {key for output in declared for key in output.keys} - optional
    assert set(program.outputs) == keys
    assert program.secret_outputs == {output.key for output in declared if output.secret}


def test_the_database_password_survives_the_connection_url(program: Program) -> None:
    secret = program.one("kubernetes:core/v1:Secret", "-airflow-database").inputs["stringData"]
    assert secret["password"] == SECRETS["databasePassword"]
    assert secret["connection"] == (
        "postgresql+psycopg2://airflow:database%2Fp%40ss%3Aword@"
        "airflow-database.airflow.svc.cluster.local:5432/airflow"
    )


def of(resources: list[Registration], type_: str) -> list[Registration]:
    return [resource for resource in resources if resource.type == type_]


def test_an_environment_may_do_without_rancher() -> None:
    program = run_program({"environment": "test", "rancherEnabled": "false"}, SECRETS)
    assert not of(program.resources, "aws:ec2/instance:Instance")
    assert not of(program.resources, "aws:iam/accessKey:AccessKey")
    assert not of(program.resources, "aws:secretsmanager/secret:Secret")
    assert not {"rancherAddress", "rancherTokenSecret"} & program.outputs.keys()


def test_a_network_has_no_flow_log_unless_it_is_asked_for(program: Program) -> None:
    assert not of(program.resources, "aws:ec2/flowLog:FlowLog")
    policy = json.loads(program.one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"])
    assert [each["Effect"] for each in policy["Statement"]] == ["Deny"]


def test_flow_logs_go_to_the_log_bucket_which_lets_aws_deliver_its_own_accounts() -> None:
    program = run_program({"environment": "test", "flowLogs": "true"}, SECRETS)
    log = program.one("aws:ec2/flowLog:FlowLog")
    assert log.inputs["vpcId"] == "aerodrome-test-vpc-id"
    assert log.inputs["logDestinationType"] == "s3"
    assert log.inputs["logDestination"] == "arn:aws:s3:::aerodrome-test-logs"
    assert log.inputs["trafficType"] == "ALL"
    assert TAGS.items() <= log.inputs["tags"].items()
    policy = program.one("aws:s3/bucketPolicy:BucketPolicy")
    assert program.depends_on(log, program.one("aws:s3/bucket:Bucket"))
    _, write, check = json.loads(policy.inputs["policy"])["Statement"]
    assert (write["Action"], check["Action"]) == ("s3:PutObject", "s3:GetBucketAcl")
    for each in (write, check):
        assert each["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
        assert "aws:SourceAccount" in each["Condition"]["StringEquals"]


def test_an_organisations_tags_are_on_everything_that_takes_tags() -> None:
    wanted = {"CostCenter": "1234", "data class": "internal"}
    program = run_program({"environment": "test", "tags": json.dumps(wanted)}, SECRETS)
    for resource in program.resources:
        if resource.type.startswith("aws:") and takes_tags(resource.type):
            assert (TAGS | wanted).items() <= resource.inputs["tags"].items(), resource.name
    disk = program.one("aws:ec2/instance:Instance").inputs["rootBlockDevice"]
    assert wanted.items() <= disk["tags"].items()
    parameters = program.one("kubernetes:storage.k8s.io/v1:StorageClass").inputs["parameters"]
    given = {v for k, v in parameters.items() if k.startswith("tagSpecification_")}
    assert {f"{key}={value}" for key, value in wanted.items()} <= given


LIMIT = "arn:aws:iam::123456789012:policy/limit"


def test_no_role_and_no_user_goes_beyond_an_organisations_boundary(program: Program) -> None:
    kinds = ("aws:iam/role:Role", "aws:iam/user:User")
    limited = run_program({"environment": "test", "permissionsBoundary": LIMIT}, SECRETS)
    held = [one for kind in kinds for one in limited.of_type(kind)]
    assert len(held) > 5
    assert {one.inputs.get("permissionsBoundary") for one in held} == {LIMIT}
    free = [one for kind in kinds for one in program.of_type(kind)]
    assert {one.inputs.get("permissionsBoundary") for one in free} == {None}
    # Those that pulumi-eks's components make, too.
    (adapt,) = limited.transforms
    options = pulumi.ResourceOptions()
    asked = pulumi.ResourceTransformArgs(True, kinds[0], "x", {"path": "/"}, options)
    assert adapt(asked).props["permissionsBoundary"] == LIMIT
    assert limited.outputs["branchBoundary"] == LIMIT


def test_a_branchs_role_has_its_bases_boundary() -> None:
    base = run_program({"environment": "test", "permissionsBoundary": LIMIT}, SECRETS)
    branch = run_program(BRANCH, BRANCH_SECRETS, {BASE: base})
    (role,) = branch.of_type("aws:iam/role:Role")
    assert role.inputs["permissionsBoundary"] == LIMIT


def test_a_budget_is_of_what_bears_the_tag_and_tells_people(program: Program) -> None:
    assert not of(program.resources, "aws:budgets/budget:Budget")
    settings = {"budgetUsd": "400", "alertEmails": '["ops@example.org"]'}
    budget = run_program({"environment": "test", **settings}, SECRETS).one(
        "aws:budgets/budget:Budget"
    )
    assert (budget.inputs["limitAmount"], budget.inputs["timeUnit"]) == ("400", "MONTHLY")
    assert budget.inputs["costFilters"] == [
        {"name": "TagKeyValue", "values": ["user:aerodrome:environment$test"]}
    ]
    assert TAGS.items() <= budget.inputs["tags"].items()
    assert len(budget.inputs["notifications"]) == 3
    for notice in budget.inputs["notifications"]:
        assert notice["subscriberEmailAddresses"] == ["ops@example.org"]


def test_a_protected_environment_keeps_what_holds_data() -> None:
    program = run_program({"environment": "test", "protect": "true"}, SECRETS)
    assert program.one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is False
    for repository in program.of_type("aws:ecr/repository:Repository"):
        assert repository.inputs["forceDelete"] is False
    storage = program.one("kubernetes:storage.k8s.io/v1:StorageClass").inputs
    assert storage["reclaimPolicy"] == "Retain"
    values = program.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    assert values["postgres"]["storage"]["whenDeleted"] == "Retain"


def test_the_database_may_be_on_rds() -> None:
    program = run_program({"environment": "test", "database": "rds"}, SECRETS)
    instance = program.one("aws:rds/instance:Instance")
    assert instance.inputs["storageEncrypted"] is True
    assert instance.inputs["publiclyAccessible"] is False
    assert "password" in instance.secret_inputs
    assert TAGS.items() <= instance.inputs["tags"].items()
    assert [image.name for image in program.of_type("docker-build:index:Image")] == [
        "aerodrome-test-airflow"
    ]
    values = program.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    assert values["postgres"] == {"enabled": False}
    secret = program.one("kubernetes:core/v1:Secret", "-airflow-database").inputs["stringData"]
    assert secret["connection"].endswith(
        "@aerodrome-test-database.rds.example.com:5432/airflow?sslmode=require"
    )
    assert secret["async-connection"].startswith("postgresql+asyncpg://")
    assert secret["async-connection"].endswith(":5432/airflow?ssl=require")


def test_the_databases_disk_grows_by_its_claim(program: Program) -> None:
    """The StatefulSet's template cannot: `charts/airflow/templates/database/_pod.tpl`."""
    claim = program.one("kubernetes:core/v1:PersistentVolumeClaimPatch")
    assert claim.inputs["spec"] == {"resources": {"requests": {"storage": "20Gi"}}}
    metadata = claim.inputs["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("data-airflow-database-0", "airflow")
    # Pulumi waits for a bound claim of this kind of class until its time is up.
    assert metadata["annotations"]["pulumi.com/skipAwait"] == "true"
    assert program.depends_on(claim, program.one("kubernetes:helm.sh/v3:Release"))


def test_rds_has_no_claim() -> None:
    rds = run_program({"environment": "test", "database": "rds"}, SECRETS)
    assert not [r for r in rds.resources if "PersistentVolumeClaim" in r.type]
