"""aws:eks/accessPolicyAssociation:AccessPolicyAssociation."""

from sandbox.providers.aws.eks.base import EksResource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class AccessPolicyAssociation(EksResource):
    """AssociateAccessPolicy, ListAssociatedAccessPolicies, DisassociateAccessPolicy.
    Associating again is no error. Id: CLUSTER#PRINCIPAL#POLICY."""

    TYPE = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
    REPLACE_ON = frozenset({"accessScope", "clusterName", "policyArn", "principalArn"})
    COMPUTED = ("associatedAt", "modifiedAt")
    TAGGED = False
    # EKS has one association for a principal and a policy: a replacement would overwrite the
    # old one, and the deletion of the old would then take the new away.
    DELETE_FIRST = True

    def create(self, inputs: Properties) -> str:
        scope = {k: v for k, v in inputs["accessScope"].items() if v}
        self.client.associate_access_policy(
            clusterName=inputs["clusterName"],
            principalArn=inputs["principalArn"],
            policyArn=inputs["policyArn"],
            accessScope=scope,
        )
        return "#".join(inputs[key] for key in ("clusterName", "principalArn", "policyArn"))

    def read(self, known: Known) -> Properties | None:
        cluster, principal, policy = known.id.split("#")
        answer = self.client.list_associated_access_policies(
            clusterName=cluster, principalArn=principal
        )
        for item in answer["associatedAccessPolicies"]:
            if item["policyArn"] == policy:
                return {
                    "clusterName": cluster,
                    "principalArn": principal,
                    "policyArn": policy,
                    "accessScope": item["accessScope"],
                    "associatedAt": item["associatedAt"].isoformat(),
                    "modifiedAt": item["modifiedAt"].isoformat(),
                }
        return None

    def delete(self, known: Known) -> None:
        cluster, principal, policy = known.id.split("#")
        self.client.disassociate_access_policy(
            clusterName=cluster, principalArn=principal, policyArn=policy
        )
