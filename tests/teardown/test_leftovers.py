"""Every row of the table of leftovers: planted, found, removed; the neighbour's stays.

The rows are those that people report of clusters that they thought were gone (docs/teardown.md).
"""

import json

import pytest

from infra.contract.naming import Names
from tests.teardown.conftest import Cloud, Plant
from tests.unit.sandbox.aws.test_images import push


def load_balancers(cloud: Cloud, environment: str) -> None:
    """What AWS' load balancer controller makes: in no state, and with its own tags only."""
    vpc, subnets = cloud.network(environment)
    ec2, elb = cloud.client("ec2"), cloud.client("elbv2")
    cluster = Names(environment).cluster
    own = [
        {"Key": "elbv2.k8s.aws/cluster", "Value": cluster},
        {"Key": "service.k8s.aws/stack", "Value": "airflow/airflow-api-server"},
    ]
    group = ec2.create_security_group(
        GroupName=f"k8s-{environment}",
        Description="[k8s] Managed SecurityGroup for LoadBalancer",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": own}],
    )["GroupId"]
    nodes = ec2.create_security_group(
        GroupName=f"nodes-{environment}",
        Description="nodes",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": cloud.tags(environment)}],
    )["GroupId"]
    # The controller lets the load balancer through to the nodes: the groups name each other.
    rule = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535}
    for one, other in ((nodes, group), (group, nodes)):
        ec2.authorize_security_group_ingress(
            GroupId=one, IpPermissions=[rule | {"UserIdGroupPairs": [{"GroupId": other}]}]
        )
    balancer = elb.create_load_balancer(
        Name=f"k8s-{environment}", Subnets=subnets, SecurityGroups=[group], Tags=own
    )["LoadBalancers"][0]["LoadBalancerArn"]
    target = elb.create_target_group(
        Name=f"k8s-{environment}", Protocol="HTTP", Port=80, VpcId=vpc, Tags=own
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target}],
    )


def classic_load_balancer(cloud: Cloud, environment: str) -> None:
    """What Kubernetes' own cloud provider makes, where no controller is installed."""
    _, subnets = cloud.network(environment)
    cloud.client("elb").create_load_balancer(
        LoadBalancerName=f"a{environment}",
        Subnets=subnets,
        Listeners=[
            {
                "Protocol": "TCP",
                "LoadBalancerPort": 80,
                "InstanceProtocol": "TCP",
                "InstancePort": 30080,
            }
        ],
        Tags=[
            {"Key": key, "Value": value}
            for key, value in {
                **cloud.cluster_tag(environment),
                "kubernetes.io/service-name": "airflow/airflow-api-server",
            }.items()
        ],
    )


def claimed_volume(cloud: Cloud, environment: str) -> None:
    """A disk of a claim, which the driver did not live to delete."""
    _volume(cloud, cloud.tags(environment, **{"CSIVolumeName": "pvc-1"}))


def stateful_set_volume(cloud: Cloud, environment: str) -> None:
    """A disk of a StatefulSet's claim; the class had no tags, the driver knows its cluster."""
    _volume(
        cloud,
        [
            {"Key": key, "Value": value}
            for key, value in {
                **cloud.cluster_tag(environment),
                "kubernetes.io/created-for/pvc/namespace": "airflow",
                "kubernetes.io/created-for/pvc/name": "data-airflow-database-0",
            }.items()
        ],
    )


def _volume(cloud: Cloud, tags: list[dict[str, str]]) -> str:
    return str(
        cloud.client("ec2").create_volume(
            AvailabilityZone="us-east-1a",
            Size=8,
            TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
        )["VolumeId"]
    )


def network_interfaces(cloud: Cloud, environment: str) -> None:
    """The VPC CNI's, whose node died between detach and delete; and the group that they keep."""
    vpc, subnets = cloud.network(environment)
    ec2 = cloud.client("ec2")
    group = ec2.create_security_group(
        GroupName=f"eks-cluster-sg-{environment}",
        Description="EKS created security group",
        VpcId=vpc,
        TagSpecifications=[
            {
                "ResourceType": "security-group",
                "Tags": [
                    {"Key": key, "Value": value}
                    for key, value in cloud.cluster_tag(environment).items()
                ],
            }
        ],
    )["GroupId"]
    node = {"Key": "node.k8s.amazonaws.com/instance_id", "Value": "i-0123456789abcdef0"}
    named = {"Key": "cluster.k8s.amazonaws.com/name", "Value": Names(environment).cluster}
    # Older versions of the CNI do not name the cluster.
    for own in ([node, named], [node]):
        ec2.create_network_interface(
            SubnetId=subnets[0],
            Groups=[group],
            Description="aws-K8S-i-0123456789abcdef0",
            TagSpecifications=[{"ResourceType": "network-interface", "Tags": own}],
        )


def karpenter_node(cloud: Cloud, environment: str) -> None:
    """A node in no state and no node group."""
    _, subnets = cloud.network(environment)
    tags = {**cloud.cluster_tag(environment), "karpenter.sh/nodepool": "default"}
    cloud.client("ec2").run_instances(
        ImageId="ami-12345678",
        InstanceType="m7i.large",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnets[0],
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    )


def log_group(cloud: Cloud, environment: str) -> None:
    """EKS makes it anew with the last line that it writes: no tags, no retention."""
    cloud.client("logs").create_log_group(logGroupName=Names(environment).control_plane_log_group)


def log_bucket(cloud: Cloud, environment: str) -> None:
    """Versions, a deletion marker, and an upload that a dying worker never finished."""
    s3, name = cloud.client("s3"), f"aerodrome-{environment}-logs"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": cloud.tags(environment)})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for text in (b"one", b"two"):
        s3.put_object(Bucket=name, Key="task-logs/a.log", Body=text)
    s3.delete_object(Bucket=name, Key="task-logs/a.log")
    s3.create_multipart_upload(Bucket=name, Key="task-logs/b.log")


def repository(cloud: Cloud, environment: str) -> None:
    cloud.client("ecr").create_repository(
        repositoryName=f"aerodrome-{environment}-airflow", tags=cloud.tags(environment)
    )


def objects(cloud: Cloud, environment: str) -> None:
    """A branch's logs in its base's bucket: versions, and one that came late."""
    s3, base = cloud.client("s3"), f"aerodrome-base-{cloud.ours}"
    s3.create_bucket(Bucket=base)
    s3.put_bucket_tagging(Bucket=base, Tagging={"TagSet": cloud.tags("base")})
    s3.put_bucket_versioning(Bucket=base, VersioningConfiguration={"Status": "Enabled"})
    prefix = Names(environment, shared=True).log_prefix
    for text in (b"one", b"two"):
        s3.put_object(Bucket=base, Key=f"{prefix}/dag_id=a/b.log", Body=text)
    s3.delete_object(Bucket=base, Key=f"{prefix}/dag_id=a/b.log")


def images(cloud: Cloud, environment: str) -> None:
    """A branch's tag in its base's repository, on the very image that another branch has too."""
    base, ecr = f"aerodrome-base-{cloud.ours}", cloud.client("ecr")
    if base not in [item["repositoryName"] for item in ecr.describe_repositories()["repositories"]]:
        ecr.create_repository(repositoryName=base, tags=cloud.tags("base"))
    tag = f"{Names(environment, shared=True).image_tag_prefix}0123456789ab"
    push(cloud.emulator.settings.registry_url, base, tag, b"the same for all")


def addresses(cloud: Cloud, environment: str) -> None:
    """An elastic address, and one that a NAT gateway holds."""
    _, subnets = cloud.network(environment)
    ec2 = cloud.client("ec2")
    held, _ = [
        ec2.allocate_address(
            Domain="vpc",
            TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": cloud.tags(environment)}],
        )["AllocationId"]
        for _ in range(2)
    ]
    ec2.create_nat_gateway(
        SubnetId=subnets[0],
        AllocationId=held,
        TagSpecifications=[{"ResourceType": "natgateway", "Tags": cloud.tags(environment)}],
    )


def users(cloud: Cloud, environment: str) -> None:
    """Keys, a password, policies and memberships: each blocks the deletion."""
    iam, path = cloud.client("iam"), Names(environment).iam_path
    user, group = {"UserName": f"{environment}-rancher"}, {"GroupName": f"{environment}-rancher"}
    document = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
        }
    )
    iam.create_user(Path=path, **user)
    iam.create_access_key(**user)
    iam.create_login_profile(Password="Not-a-secret-1", **user)
    iam.put_user_policy(PolicyName="inline", PolicyDocument=document, **user)
    policy = iam.create_policy(
        Path=path, PolicyName=f"{environment}-rancher", PolicyDocument=document
    )["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=document)
    iam.create_group(Path=path, **group)
    iam.attach_group_policy(PolicyArn=policy, **group)
    iam.attach_user_policy(PolicyArn=policy, **user)
    iam.add_user_to_group(**user, **group)


def roles(cloud: Cloud, environment: str) -> None:
    """A role outside the environment's path, as pulumi-eks makes them; with an instance profile."""
    iam, role = cloud.client("iam"), {"RoleName": f"{environment}-node"}
    profile = {"InstanceProfileName": f"{environment}-node"}
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    iam.create_role(
        AssumeRolePolicyDocument=json.dumps(trust), Tags=cloud.tags(environment), **role
    )
    iam.put_role_policy(PolicyName="inline", PolicyDocument=json.dumps(ANYTHING), **role)
    iam.attach_role_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy", **role)
    iam.create_instance_profile(Path=Names(environment).iam_path, **profile)
    iam.add_role_to_instance_profile(**role, **profile)


ANYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
}


def oidc_provider(cloud: Cloud, environment: str) -> None:
    cloud.client("iam").create_open_id_connect_provider(
        Url=f"https://oidc.example.com/{environment}",
        ThumbprintList=["0" * 40],
        Tags=cloud.tags(environment),
    )


def cluster(cloud: Cloud, environment: str) -> None:
    """A cluster of which no state tells, with workers."""
    _, subnets = cloud.network(environment)
    eks, name = cloud.client("eks"), Names(environment).cluster
    cloud.emulator.cluster(name, subnets)
    role = cloud.emulator.role(f"{environment}-workers", "ec2.amazonaws.com", ["sts:AssumeRole"])
    eks.create_nodegroup(clusterName=name, nodegroupName="workers", subnets=subnets, nodeRole=role)
    # The roles are the tests' own and carry no tag.


def database(cloud: Cloud, environment: str) -> None:
    """An RDS instance that refuses to be deleted, and its last snapshot."""
    _, subnets = cloud.network(environment)
    rds, name = cloud.client("rds"), f"{environment}-database"
    rds.create_db_subnet_group(
        DBSubnetGroupName=name,
        DBSubnetGroupDescription="database",
        SubnetIds=subnets,
        Tags=cloud.tags(environment),
    )
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.small",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="airflow",
        MasterUserPassword="not-a-secret",
        DBSubnetGroupName=name,
        DeletionProtection=True,
        Tags=cloud.tags(environment),
    )


def flow_log(cloud: Cloud, environment: str) -> None:
    """It outlives the network that it is of."""
    network, _ = cloud.network(environment)
    specification = {"ResourceType": "vpc-flow-log", "Tags": cloud.tags(environment)}
    cloud.client("ec2").create_flow_logs(
        ResourceIds=[network],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::aerodrome-logs",
        TagSpecifications=[specification],
    )


def budget(cloud: Cloud, environment: str) -> None:
    cloud.client("budgets").create_budget(
        AccountId=cloud.client("sts").get_caller_identity()["Account"],
        Budget={
            "BudgetName": f"aerodrome-{environment}-month-0a1b2c3",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "400", "Unit": "USD"},
        },
        ResourceTags=cloud.tags(environment),
    )


def launch_template(cloud: Cloud, environment: str) -> None:
    """What Karpenter makes of a node class; nobody's once it is dead."""
    tags = {**cloud.cluster_tag(environment), "karpenter.sh/nodepool": "tasks"}
    own = [{"Key": key, "Value": value} for key, value in tags.items()]
    cloud.client("ec2").create_launch_template(
        LaunchTemplateName=f"karpenter.k8s.aws/{environment}",
        LaunchTemplateData={"InstanceType": "m7i.large"},
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": own}],
    )


def interruption_queue(cloud: Cloud, environment: str) -> None:
    """The queue of the nodes' interruptions, and a rule that still fills it."""
    name = f"{Names(environment).cluster}-interruptions"
    own = {tag["Key"]: tag["Value"] for tag in cloud.tags(environment)}
    sqs, events = cloud.client("sqs"), cloud.client("events")
    sqs.create_queue(QueueName=name, tags=own)
    pattern = json.dumps({"source": ["aws.ec2"]})
    events.put_rule(Name=name, EventPattern=pattern, Tags=cloud.tags(environment))
    target = {"Id": "karpenter", "Arn": f"arn:aws:sqs:us-east-1:000000000000:{name}"}
    events.put_targets(Rule=name, Targets=[target])


def key(cloud: Cloud, environment: str) -> None:
    kms = cloud.client("kms")
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in cloud.tags(environment)]
    made = kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{environment}", TargetKeyId=made)


def secret(cloud: Cloud, environment: str) -> None:
    name = f"{Names(environment).cluster}-rancher-token-0a1b2c3"
    cloud.client("secretsmanager").create_secret(
        Name=name, SecretString="x", Tags=cloud.tags(environment)
    )


ROWS: list[Plant] = [
    load_balancers,
    classic_load_balancer,
    claimed_volume,
    stateful_set_volume,
    network_interfaces,
    karpenter_node,
    launch_template,
    interruption_queue,
    log_group,
    log_bucket,
    objects,
    repository,
    images,
    addresses,
    flow_log,
    users,
    roles,
    oidc_provider,
    cluster,
    database,
    key,
    secret,
    budget,
]


@pytest.mark.parametrize("plant", ROWS, ids=lambda plant: plant.__name__)
def test_a_leftover_is_found_and_removed_and_the_neighbours_stays(
    plant: Plant, cloud: Cloud
) -> None:
    plant(cloud, cloud.ours)
    plant(cloud, cloud.theirs)
    found, beside = cloud.labels(cloud.ours), cloud.labels(cloud.theirs)
    assert found, "nothing was found"
    assert not set(found) & set(beside)
    assert cloud.clear(cloud.ours) == []
    assert cloud.labels(cloud.ours) == []
    assert cloud.labels(cloud.theirs) == beside
    assert sorted(cloud.lines) == sorted(f"deleted {label}" for label in found)


def test_a_secret_of_somebody_elses_is_found_and_not_deleted(cloud: Cloud) -> None:
    """Nobody could give its value back."""
    name = f"aerodrome/{cloud.ours}/connections/warehouse"
    secrets = cloud.client("secretsmanager")
    secrets.create_secret(Name=name, SecretString="x", Tags=cloud.tags(cloud.ours))
    (left,) = cloud.clear(cloud.ours)
    assert name in left
    assert "is not of this kit" in left
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "x"
