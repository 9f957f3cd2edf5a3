"""The settings of what an environment is to its account: its network's ways out, what it may cost, and what an
organisation wants of all that is in it.

`settings.py` has all others, and inherits these.
"""

from dataclasses import dataclass

from infra.contract import (
    api_endpoints,
    clusters,
    endpoints,
    existing_server,
    networks,
    organisation_tags,
    proxies,
    public_images,
)
from infra.contract.rules import setting


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    """What concerns the account more than Airflow."""

    cluster_name: str = setting(
        "",
        """An EKS cluster that is there already, in the account and the region of the environment: no control plane, node, add-on or
        network is made then, and `down` leaves it as it was. The environment puts its namespaces, roles and Pod Identity associations
        into it, and what describes a cluster or a network of its own is refused beside it. It cannot be changed once the environment is deployed.
        `docs/existing-cluster.md`. Default none: the environment makes a cluster of its own.""",
        check=clusters.check_name,
    )

    vpc_id: str = setting(
        "",
        """A VPC that is there already, in the account and the region of the environment: nothing is made of a network
        then, and `down` leaves it as it is. Needs privateSubnetIds; vpcCidr and natPerZone are refused beside it. It cannot be changed once
        the environment is deployed. `docs/network.md`. Default none: the environment makes a VPC of its own.""",
        pattern=networks.VPC_PATTERN,
        allowed="the id of a VPC, such as vpc-0123456789abcdef0",
    )

    private_subnet_ids: tuple[str, ...] = setting(
        (),
        """The subnets of vpcId for nodes, pods and the database, a JSON list: in two zones at least, with a way out, and
        with an address for every pod. Default none.""",
        check=networks.check_subnets,
    )

    public_subnet_ids: tuple[str, ...] = setting(
        (),
        """The subnets of vpcId that an internet gateway leads to, a JSON list: the Rancher server is in the first. Default none, which
        rancherEnabled false allows.""",
        check=networks.check_subnets,
    )

    database_instance: str = setting(
        "",
        """An RDS instance of PostgreSQL that is there already, by its identifier, with database rds: the environment makes a
        database and users of its own in it, which `down` drops, and changes nothing else of it. Needs vpcId, which is the instance's, and
        databaseAdminSecret; databaseInstanceClass and databaseStorageGb are refused beside it. It cannot be changed once the environment is
        deployed. `docs/database.md`. Default none: the environment makes an instance of its own.""",
        pattern=existing_server.INSTANCE_PATTERN,
        allowed="the identifier of a DB instance, such as team-postgres",
    )

    database_admin_secret: str = setting(
        "",
        """The ARN of a secret in AWS Secrets Manager with `username` and `password` of a user of databaseInstance who may make databases and
        users (CREATEDB, CREATEROLE), such as the secret that RDS manages for the master user: the Job that makes and drops the
        environment's database reads it each time, and nothing else does. Default none.""",
        pattern=existing_server.SECRET_PATTERN,
        allowed="the whole ARN of a secret, such as arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-AbCdEf",
    )

    nat_per_zone: bool = setting(
        False,
        """Whether each zone has a NAT gateway of its own. Default false, one for both: a second costs as much as a
        worker, and while the first one's zone is lost the other zone's pods reach AWS only through
        `vpcEndpoints`, and nothing else outside.""",
    )

    vpc_endpoints: tuple[str, ...] = setting(
        ("s3",),
        """The AWS services that the network reaches past its NAT gateways: a JSON list of s3, ecr, sts, logs and ssm.
        Default s3, which costs nothing, and none with vpcId; each of the others has a price by the hour in each zone, and saves what NAT
        costs by the gigabyte. `docs/cost.md` has the figures.""",
        check=endpoints.check,
    )

    endpoint_access: str = setting(
        api_endpoints.PUBLIC,
        """From where the Kubernetes API is reached. Default public: from the networks of publicAccessCidrs. private: from
        inside the VPC only; the command line gets there from elsewhere through Systems Manager, by a worker, and so do people
        with `aerodrome tunnel`. Needs nodeMin 1. both: either way, and the step between the two for an environment that is deployed,
        whose workers must have registered with Systems Manager before the other way is closed. `docs/network.md`.""",
        choices=api_endpoints.CHOICES,
    )

    image_mirror: str = setting(
        "",
        """A registry of your own, with a prefix, that holds what the environment has from public ones: HOST/PREFIX, such as
        `123456789012.dkr.ecr.eu-north-1.amazonaws.com/mirror`, with each image below its registry's name (`docker.io/grafana/grafana`).
        `aerodrome image public` lists them. Needs rancherEnabled false. An environment that shares this one takes it over
        at its `up`, if it has none of its own. `docs/network.md`. Default none: public registries.""",
        check=public_images.check,
    )

    http_proxy: str = setting(
        "",
        """A company's proxy for what is asked by plain HTTP: http://HOST:PORT, without a password. Airflow's pods, those of tasks and Jobs,
        Karpenter and builds of images have it in their environment, nodes do not. Needs rancherEnabled false. An environment that shares this one takes it, httpsProxy and noProxy over
        at its `up`, if none of the three is its own. `docs/network.md`. Default none.""",
        check=proxies.check_address,
    )

    https_proxy: str = setting(
        "",
        """The same for HTTPS, which is AWS and most of the internet. Default none.""",
        check=proxies.check_address,
    )

    no_proxy: tuple[str, ...] = setting(
        (),
        """What is reached without the proxy beside what always is (the cluster, the network, AWS's addresses on the node, and the services of vpcEndpoints):
        a JSON list of hosts, domains (`.example.com`) and networks. Not every library knows networks. Default none.""",
        check=proxies.check_exceptions,
    )

    budget_usd: int = setting(
        0,
        """What a dedicated environment and its branches' share of AWS may cost a month, USD: AWS tells the addresses of
        alertEmails at 80 and 100 percent, and when it expects more than that. 0 makes no budget, the default. It counts
        what bears the environment's tag, from the day on which the tag is activated for bills; `docs/cost.md`.""",
        minimum=0,
        maximum=100_000_000,
    )

    tags: str = setting(
        "{}",
        """Tags that your organisation wants on everything, beside the kit's own: a JSON object such as
        `{"CostCenter": "1234"}`. All that AWS takes tags of gets them, volumes and their disks too; an environment that shares this one has its
        own setting. Default none.""",
        check=organisation_tags.check,
    )

    permissions_boundary: str = setting(
        "",
        """The ARN of a policy that no role and no IAM user of the environment may go beyond, where an organisation wants
        one. Roles of branches have their base's. It must let the kit's roles do their work; `docs/security.md`. Default none.""",
        pattern=r"(arn:[a-z-]+:iam::(\d{12}|aws):policy/\S+)?",
        allowed="the ARN of an IAM policy",
    )
