"""aws:eks/podIdentityAssociation:PodIdentityAssociation."""

from collections.abc import Set
from typing import Any

from sandbox.providers.aws.eks.base import EksResource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class PodIdentityAssociation(EksResource):
    """CreatePodIdentityAssociation, UpdatePodIdentityAssociation,
    DescribePodIdentityAssociation, ListPodIdentityAssociations,
    DeletePodIdentityAssociation. Id: CLUSTER,ASSOCIATION."""

    TYPE = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    REPLACE_ON = frozenset({"clusterName", "namespace", "serviceAccount"})
    IN_PLACE = frozenset({"roleArn"})
    COMPUTED = ("associationArn", "associationId")

    def create(self, inputs: Properties) -> str:
        answer = self.client.create_pod_identity_association(
            clusterName=inputs["clusterName"],
            namespace=inputs["namespace"],
            serviceAccount=inputs["serviceAccount"],
            roleArn=inputs["roleArn"],
            tags=inputs["tags"],
        )
        return f"{inputs['clusterName']},{answer['association']['associationId']}"

    def _get(self, association_id: str) -> Any:
        answer = self.client.describe_pod_identity_association(**_names(association_id))
        return answer["association"]

    def tagged_arn(self, known: Known) -> str:
        return str(known.get("associationArn"))

    def read(self, known: Known) -> Properties | None:
        return self.described(self._get(known.id))

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if changes:
            self.client.update_pod_identity_association(
                **_names(known.id), roleArn=inputs["roleArn"]
            )

    def delete(self, known: Known) -> None:
        self.client.delete_pod_identity_association(**_names(known.id))


def _names(association_id: str) -> dict[str, str]:
    cluster, _, association = association_id.partition(",")
    return {"clusterName": cluster, "associationId": association}
