"""The Rancher server: one EC2 instance that installs Rancher by itself.

Nobody logs in over SSH: no key pair, no port 22. Administrators use a Systems Manager session, which IAM
allows and CloudTrail records; the first password is read there.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.contract.naming import RANCHER_TOKEN
from infra.contract.sizes import ARCHITECTURE, RANCHER_DISK_GB
from infra.network import Network
from infra.rancher_boot import Handover, user_data
from infra.stack import Stack

# 80 is there for the redirect, and for certificates from Let's Encrypt.
PORTS = (80, 443)


@dataclass(frozen=True)
class RancherArgs:
    """The stack says how large and for whom, the network where."""

    stack: Stack
    network: Network


class Rancher(pulumi.ComponentResource):
    """The server, its address and who may reach it."""

    address: pulumi.Output[str]
    token_secret: pulumi.Output[str]
    """The ARN of the secret in which the server leaves a token of its API."""

    def __init__(
        self, name: str, args: RancherArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Rancher", name, {}, opts)
        settings = args.stack.settings
        self._names = args.stack.names
        self._child = pulumi.ResourceOptions(parent=self)
        logical = self._names.of("rancher")
        address = aws.ec2.Eip(logical, domain="vpc", tags={"Name": logical}, opts=self._child)
        hostname: pulumi.Output[str] = (
            pulumi.Output.from_input(settings.rancher_hostname)
            if settings.rancher_hostname
            else address.public_ip.apply(lambda ip: f"{ip}.sslip.io")
        )
        self.token_secret = self._token().arn
        server = aws.ec2.Instance(
            logical,
            ami=self._image(),
            instance_type=settings.rancher_instance_type,
            subnet_id=args.network.public_subnet_ids[0],
            vpc_security_group_ids=[self._firewall(args).id],
            iam_instance_profile=self._profile(args).name,
            # IMDSv2 only, and no hop further: a pod must not take the instance's credentials.
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            root_block_device={
                "encrypted": True,
                "volume_type": "gp3",
                "volume_size": RANCHER_DISK_GB,
                "delete_on_termination": True,
                "tags": args.stack.lasting_tags | {"Name": logical},
            },
            user_data=pulumi.Output.all(hostname, self.token_secret).apply(
                lambda known: user_data(
                    known[0],
                    Handover(known[1], args.stack.place.region),
                    settings.rancher_lets_encrypt_email,
                    settings.rancher_certificate_secret,
                )
            ),
            user_data_replace_on_change=True,
            tags={"Name": logical},
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.network],
                # Amazon publishes a new image every week; that is no reason to lose the server.
                ignore_changes=["ami"],
            ),
        )
        aws.ec2.EipAssociation(
            logical, allocation_id=address.allocation_id, instance_id=server.id, opts=self._child
        )
        self.address = hostname.apply(lambda host: f"https://{host}")
        self.register_outputs({"address": self.address, "tokenSecret": self.token_secret})

    def _token(self) -> aws.secretsmanager.Secret:
        """Empty until the server writes it; no value of it is ever in the stack."""
        return aws.secretsmanager.Secret(
            self._names.of(RANCHER_TOKEN),
            description="The token with which the cluster is registered in its Rancher: the server writes it",
            # It is worth nothing without the server, which makes another one.
            recovery_window_in_days=0,
            opts=self._child,
        )

    def _image(self) -> pulumi.Output[str]:
        return aws.ec2.get_ami_output(
            most_recent=True,
            owners=["amazon"],
            filters=[
                {"name": "name", "values": [f"al2023-ami-2023.*-kernel-6.1-{ARCHITECTURE}"]},
                {"name": "architecture", "values": [ARCHITECTURE]},
            ],
            opts=pulumi.InvokeOutputOptions(parent=self),
        ).id

    def _firewall(self, args: RancherArgs) -> aws.ec2.SecurityGroup:
        logical = self._names.of("rancher")
        group = aws.ec2.SecurityGroup(
            logical,
            vpc_id=args.network.vpc_id,
            description="The Rancher server",
            tags={"Name": logical},
            opts=self._child,
        )
        for port in PORTS:
            aws.ec2.SecurityGroupRule(
                self._names.of("rancher", str(port)),
                security_group_id=group.id,
                type="ingress",
                protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_blocks=list(args.stack.settings.public_access_cidrs),
                description="People, and the agents of the clusters",
                opts=self._child,
            )
        aws.ec2.SecurityGroupRule(
            self._names.of("rancher", "out"),
            security_group_id=group.id,
            type="egress",
            protocol="-1",
            from_port=0,
            to_port=0,
            cidr_blocks=["0.0.0.0/0"],
            description="Packages, charts, the clusters it manages",
            opts=self._child,
        )
        return group

    def _profile(self, args: RancherArgs) -> aws.iam.InstanceProfile:
        """What the instance itself may do: be reached by Systems Manager, write one secret, and read that of its
        certificate, if it is given one."""
        partition = args.stack.place.partition
        certificate = args.stack.settings.rancher_certificate_secret
        logical, path = self._names.of("rancher-server"), self._names.iam_path
        role = aws.iam.Role(
            logical,
            path=path,
            assume_role_policy=policies.assumed_by_service("ec2.amazonaws.com"),
            opts=self._child,
        )
        aws.iam.RolePolicyAttachment(
            logical,
            role=role.name,
            policy_arn=f"arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore",
            opts=self._child,
        )
        aws.iam.RolePolicy(
            logical,
            role=role.name,
            policy=self.token_secret.apply(policies.write_secret),
            opts=self._child,
        )
        if certificate:
            aws.iam.RolePolicy(
                self._names.of("rancher-certificate"),
                role=role.name,
                policy=policies.read_secret(certificate),
                opts=self._child,
            )
        return aws.iam.InstanceProfile(logical, path=path, role=role.name, opts=self._child)
