"""An EKS cluster that somebody else has made: what the program must know of it, asked before anything is made.

By its name alone, and nothing of it is changed or tagged: no control plane, no node, no add-on. What the environment puts
into it are things of its own, which go with it: they bear its name, or lie in its namespaces.
"""

from dataclasses import dataclass

import pulumi_aws as aws

from infra.contract import clusters
from infra.contract.settings import Settings
from infra.contract.tenancy import Tenancy
from infra.existing_network import ExistingNetwork, addresses


@dataclass(frozen=True)
class FoundCluster:
    """As AWS describes it."""

    name: str
    arn: str
    endpoint: str
    authority: str
    """Its certificate authority, in base64."""
    security_group_id: str
    network: ExistingNetwork
    """That which it is in."""

    @property
    def kubeconfig(self) -> str:
        """The way into it."""
        region = self.arn.split(":")[3]
        return clusters.kubeconfig(self.name, region, self.endpoint, self.authority)


def find_cluster(settings: Settings) -> FoundCluster | None:
    """The one that the settings name; None if they name none. A shared environment has its base's."""
    if not settings.cluster_name or settings.tenancy == Tenancy.shared:
        return None
    found = aws.eks.get_cluster(name=settings.cluster_name)
    place = found.vpc_config
    vpc = aws.ec2.get_vpc(id=place.vpc_id)
    # Nodes may be in any subnet of the VPC, and pods in a network that it was given for them.
    everywhere = addresses(vpc)
    return FoundCluster(
        found.name,
        found.arn,
        found.endpoint,
        found.certificate_authorities[0].data,
        place.cluster_security_group_id,
        ExistingNetwork(
            vpc_id=vpc.id,
            vpc_arn=vpc.arn,
            cidrs=everywhere,
            private_cidrs=everywhere,
            private_subnet_ids=tuple(sorted(place.subnet_ids)),
            public_subnet_ids=(),
            endpoint_subnet_ids=(),
            route_table_ids=(),
        ),
    )
