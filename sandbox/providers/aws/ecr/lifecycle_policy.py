"""aws:ecr/lifecyclePolicy:LifecyclePolicy."""

from sandbox.providers.aws.resource import Known, Resource
from sandbox.wire.values import Properties


class LifecyclePolicy(Resource):
    """PutLifecyclePolicy, GetLifecyclePolicy, DeleteLifecyclePolicy. Id: the repository."""

    TYPE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    SERVICE = "ecr"
    # The real provider replaces it too: a policy is nothing but its text.
    REPLACE_ON = frozenset({"policy", "repository"})
    COMPUTED = ("registryId",)
    JSON = frozenset({"policy"})
    TAGGED = False
    DELETE_FIRST = True

    def create(self, inputs: Properties) -> str:
        self.client.put_lifecycle_policy(
            repositoryName=inputs["repository"], lifecyclePolicyText=inputs["policy"]
        )
        return str(inputs["repository"])

    def read(self, known: Known) -> Properties | None:
        item = self.client.get_lifecycle_policy(repositoryName=known.id)
        return {
            "repository": item["repositoryName"],
            "registryId": item["registryId"],
            "policy": item["lifecyclePolicyText"],
        }

    def delete(self, known: Known) -> None:
        self.client.delete_lifecycle_policy(repositoryName=known.id)
