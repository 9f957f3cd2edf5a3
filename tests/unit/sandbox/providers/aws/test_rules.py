"""The real provider's rules as a table, and our types held against it and against its SDK.

The table was read off pulumi-aws 7.51 (its documentation, and the Terraform provider behind it);
the SDK that programs import is asked for names, outputs, tags and import ids.
"""

import importlib
import inspect
import re

import pulumi_aws
import pytest
from pulumi._types import input_type_py_to_pulumi_names as names_of

from sandbox.providers import contract
from sandbox.providers.aws import registry
from sandbox.providers.aws.provider import AwsProvider
from sandbox.providers.aws.unsupported import _DEFAULTS, _NAMES
from sandbox.wire.values import UNKNOWN

# type: (what replaces, what is updated in place); tags are always updated in place.
RULES = {
    "aws:budgets/budget:Budget": (
        "name",
        "budgetType costFilters limitAmount limitUnit notifications timeUnit",
    ),
    "aws:ec2/vpc:Vpc": ("cidrBlock", "enableDnsHostnames enableDnsSupport"),
    "aws:ec2/subnet:Subnet": ("availabilityZone cidrBlock vpcId", "mapPublicIpOnLaunch"),
    "aws:ec2/flowLog:FlowLog": (
        "logDestination logDestinationType maxAggregationInterval trafficType vpcId",
        "",
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        "serviceName vpcEndpointType vpcId",
        "privateDnsEnabled routeTableIds securityGroupIds subnetIds",
    ),
    "aws:ec2/internetGateway:InternetGateway": ("", "vpcId"),
    "aws:ec2/eip:Eip": ("domain", ""),
    "aws:ec2/eipAssociation:EipAssociation": ("allocationId allowReassociation instanceId", ""),
    "aws:ec2/natGateway:NatGateway": ("allocationId subnetId", ""),
    "aws:ec2/routeTable:RouteTable": ("vpcId", ""),
    "aws:ec2/route:Route": ("destinationCidrBlock routeTableId", "gatewayId natGatewayId"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ("subnetId", "routeTableId"),
    "aws:ec2/securityGroup:SecurityGroup": (
        "description name vpcId",
        "egress ingress revokeRulesOnDelete",
    ),
    "aws:ec2/securityGroupRule:SecurityGroupRule": (
        "cidrBlocks fromPort ipv6CidrBlocks prefixListIds protocol securityGroupId self sourceSecurityGroupId toPort type",
        "description",
    ),
    "aws:ec2/instance:Instance": (
        "ami subnetId",
        "iamInstanceProfile instanceType metadataOptions rootBlockDevice sourceDestCheck userData userDataReplaceOnChange vpcSecurityGroupIds",
    ),
    "aws:iam/role:Role": (
        "name path",
        "assumeRolePolicy description maxSessionDuration permissionsBoundary",
    ),
    "aws:iam/rolePolicy:RolePolicy": ("name role", "policy"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("policyArn role", ""),
    "aws:iam/policy:Policy": ("description name path", "policy"),
    "aws:iam/user:User": ("name", "forceDestroy path permissionsBoundary"),
    "aws:iam/accessKey:AccessKey": ("user", "status"),
    "aws:iam/group:Group": ("name", "path"),
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": ("group policyArn", ""),
    "aws:iam/userGroupMembership:UserGroupMembership": ("user", "groups"),
    "aws:iam/instanceProfile:InstanceProfile": ("name path", "role"),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": ("url", "clientIdLists thumbprintLists"),
    "aws:ecr/repository:Repository": (
        "name",
        "forceDelete imageScanningConfiguration imageTagMutability",
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": ("policy repository", ""),
    "aws:s3/bucket:Bucket": ("bucket", "forceDestroy"),
    "aws:s3/bucketVersioning:BucketVersioning": ("bucket", "versioningConfiguration"),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "bucket",
        "rules",
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        "bucket",
        "blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets",
    ),
    "aws:s3/bucketPolicy:BucketPolicy": ("bucket", "policy"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ("bucket", "rules"),
    "aws:eks/cluster:Cluster": (
        "bootstrapSelfManagedAddons name roleArn",
        "accessConfig deletionProtection enabledClusterLogTypes encryptionConfig version vpcConfig",
    ),
    "aws:eks/nodeGroup:NodeGroup": (
        "amiType capacityType clusterName diskSize instanceTypes nodeGroupName nodeRoleArn subnetIds",
        "forceUpdateVersion labels releaseVersion scalingConfig taints version",
    ),
    "aws:eks/addon:Addon": (
        "addonName clusterName",
        "addonVersion configurationValues preserve resolveConflictsOnCreate resolveConflictsOnUpdate serviceAccountRoleArn",
    ),
    "aws:eks/accessEntry:AccessEntry": (
        "clusterName principalArn type",
        "kubernetesGroups userName",
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": (
        "accessScope clusterName policyArn principalArn",
        "",
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": (
        "clusterName namespace serviceAccount",
        "roleArn",
    ),
    "aws:rds/subnetGroup:SubnetGroup": ("name", "description subnetIds"),
    "aws:rds/instance:Instance": (
        "dbName engine identifier storageEncrypted username",
        "allocatedStorage allowMajorVersionUpgrade applyImmediately autoMinorVersionUpgrade backupRetentionPeriod copyTagsToSnapshot dbSubnetGroupName deleteAutomatedBackups deletionProtection engineVersion finalSnapshotIdentifier instanceClass multiAz password publiclyAccessible skipFinalSnapshot storageType vpcSecurityGroupIds",
    ),
    "aws:secretsmanager/secret:Secret": (
        "name",
        "description forceOverwriteReplicaSecret kmsKeyId recoveryWindowInDays",
    ),
    "aws:kms/key:Key": ("", "deletionWindowInDays description enableKeyRotation isEnabled"),
    "aws:cloudwatch/logGroup:LogGroup": ("name", "retentionInDays"),
}

TYPES = {cls.TYPE: cls for cls in registry.resources().values()}

INSIDE = [
    (
        "aws:eks/cluster:Cluster",
        "accessConfig",
        {"authenticationMode": "API"},
        {"authenticationMode": "API_AND_CONFIG_MAP"},
        False,
    ),
    (
        "aws:eks/cluster:Cluster",
        "accessConfig",
        {"bootstrapClusterCreatorAdminPermissions": True},
        {"bootstrapClusterCreatorAdminPermissions": False},
        True,
    ),
    ("aws:eks/cluster:Cluster", "encryptionConfig", None, {"resources": ["secrets"]}, False),
    ("aws:eks/cluster:Cluster", "encryptionConfig", {"resources": ["secrets"]}, None, True),
    ("aws:ec2/instance:Instance", "rootBlockDevice", {"volumeSize": 8}, {"volumeSize": 9}, False),
    (
        "aws:ec2/instance:Instance",
        "rootBlockDevice",
        {"encrypted": False},
        {"encrypted": True},
        True,
    ),
    ("aws:ec2/instance:Instance", "userData", "a", "b", False),
]
"""Properties that replace only in part: type, key, old, new, whether it replaces."""


def module_of(token):
    package, _, rest = token.partition("/")
    folder = package.partition(":")[2]
    stem, _, kind = rest.partition(":")
    snake = re.sub("(?<!^)([A-Z])", lambda found: "_" + found[0], stem).lower()
    # The package, which loads on first use, must do so before a module of it: it stays half loaded else.
    getattr(getattr(pulumi_aws, folder), kind)
    return importlib.import_module(f"pulumi_aws.{folder}.{snake}"), kind


def inputs_of(token):
    """The inputs that the SDK's class takes: name -> what its documentation says."""
    module, kind = module_of(token)
    # Where an input type has the name of the resource's arguments, these have another.
    arguments = getattr(module, f"{kind}InitArgs", None) or getattr(module, f"{kind}Args")
    pattern = r":param ([^:]*?): (.*?)(?=\n *:param|\n *\"\"\")"
    documents = re.findall(pattern, inspect.getsource(arguments), re.DOTALL)
    said = {name.split()[-1]: text for name, text in documents}
    return {pulumi: said.get(python, "") for python, pulumi in names_of(arguments).items()}


def test_the_table_has_every_type():
    assert RULES.keys() == TYPES.keys()


@pytest.mark.parametrize("token", RULES)
def test_what_replaces_and_what_does_not(token):
    replaces, in_place = (set(names.split()) for names in RULES[token])
    assert replaces == TYPES[token].REPLACE_ON
    assert in_place == TYPES[token].IN_PLACE


@pytest.mark.parametrize("token", RULES)
def test_names_are_the_sdk_s_own(token):
    cls = TYPES[token]
    real = inputs_of(token)
    ours = cls.REPLACE_ON | cls.IN_PLACE
    assert real.keys() >= ours
    assert ("tags" in real) == cls.TAGGED
    missing = real.keys() - ours - {"tags", "tagsAll", "region"}
    assert set(_NAMES.get(token, "").split()) == missing
    assert missing >= _DEFAULTS.get(token, {}).keys()


@pytest.mark.parametrize("token", RULES)
def test_none_of_what_we_lack_is_on_by_default(token):
    said = inputs_of(token)
    for name in _NAMES.get(token, "").split():
        assert not re.search(r"[Dd]efaults? (is|to|:) *`true`", said[name]), name


@pytest.mark.parametrize("token", RULES)
def test_outputs_are_the_sdk_s_own(token):
    module, kind = module_of(token)
    outputs = set(names_of(getattr(module, f"_{kind}State")).values())
    # What ids and states are made of beyond outputs is not in the SDK's type.
    assert outputs | inputs_of(token).keys() >= set(TYPES[token].COMPUTED)


@pytest.mark.parametrize(("token", "key", "old", "new", "replaced"), INSIDE)
def test_what_replaces_in_part(engine, token, key, old, new, replaced):
    before, after = ({} if value is None else {key: value} for value in (old, new))
    request = contract.DiffRequest("urn", token, "id", before, {}, after)
    result = engine.provider.diff(request)
    assert result.changes == [key]
    assert result.replaces == ([key] if replaced else [])


TAGGED = [token for token, cls in TYPES.items() if cls.TAGGED]


@pytest.mark.parametrize("token", TAGGED)
def test_default_tags_are_in_tags_all(engine, token):
    cls = TYPES[token]
    news = {"tags": {"own": "1"}}
    checked = engine.provider.check(contract.CheckRequest("urn", token, "x", {}, news)).inputs
    assert checked["tags"] == {"aerodrome:environment": "test", "own": "1"}
    known = dict.fromkeys(sorted(cls.REPLACE_ON | cls.IN_PLACE), UNKNOWN) | checked
    preview = engine.provider.create(contract.CreateRequest("urn", token, "x", known, True))
    assert preview.outputs["tagsAll"] == checked["tags"]


@pytest.mark.parametrize("token", TAGGED)
def test_a_program_s_own_tag_wins_over_a_default(engine, token):
    news = {"tags": {"aerodrome:environment": "mine"}}
    checked = engine.provider.check(contract.CheckRequest("urn", token, "x", {}, news)).inputs
    assert checked["tags"] == {"aerodrome:environment": "mine"}


@pytest.mark.parametrize(
    ("token", "key", "value"),
    [
        ("aws:ec2/subnet:Subnet", "assignIpv6AddressOnCreation", False),
        ("aws:ec2/subnet:Subnet", "ipv6CidrBlock", ""),
        ("aws:ec2/instance:Instance", "ebsBlockDevices", []),
        ("aws:ec2/instance:Instance", "tenancy", "default"),
        ("aws:rds/instance:Instance", "monitoringInterval", 0),
    ],
)
def test_what_asks_for_nothing_is_taken(engine, token, key, value):
    assert key not in refused(engine.provider, token, {key: value})


@pytest.mark.parametrize(
    ("token", "key", "value"),
    [
        ("aws:ec2/subnet:Subnet", "assignIpv6AddressOnCreation", True),
        ("aws:ec2/subnet:Subnet", "assignIpv6AddressOnCreation", UNKNOWN),
        ("aws:ec2/subnet:Subnet", "noSuchProperty", False),
        ("aws:ec2/instance:Instance", "tenancy", "dedicated"),
        ("aws:rds/instance:Instance", "monitoringInterval", 60),
        ("aws:iam/policy:Policy", "delayAfterPolicyCreationInMs", 0),
    ],
)
def test_what_asks_for_something_is_refused_by_name(engine, token, key, value):
    assert key in refused(engine.provider, token, {key: value})


def refused(provider: AwsProvider, token, news):
    result = provider.check(contract.CheckRequest("urn", token, "x", {}, news))
    return [failure.property for failure in result.failures]


def test_a_spelt_out_default_changes_nothing(engine):
    vpc = engine.create("aws:ec2/vpc:Vpc", "spelt", cidrBlock="10.79.0.0/16")
    subnet = engine.create(
        "aws:ec2/subnet:Subnet",
        "spelt",
        vpcId=vpc.id,
        cidrBlock="10.79.1.0/24",
        assignIpv6AddressOnCreation=False,
    )
    without = {k: v for k, v in subnet.inputs.items() if k != "assignIpv6AddressOnCreation"}
    assert engine.diff(subnet, without).changes == []
    engine.delete(subnet)
    engine.delete(vpc)
