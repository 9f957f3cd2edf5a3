"""aws:eks/cluster:Cluster."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers.aws.eks.base import SECONDS, EksResource, pick
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties

_LOG_TYPES = ["api", "audit", "authenticator", "controllerManager", "scheduler"]


class Cluster(EksResource):
    """CreateCluster, UpdateClusterConfig, UpdateClusterVersion, AssociateEncryptionConfig,
    DescribeUpdate, DescribeCluster, DeleteCluster. Id: the name."""

    TYPE = "aws:eks/cluster:Cluster"
    REPLACE_ON = frozenset({"bootstrapSelfManagedAddons", "name", "roleArn"})
    IN_PLACE = frozenset(
        {
            "accessConfig",
            "deletionProtection",
            "enabledClusterLogTypes",
            "encryptionConfig",
            "version",
            "vpcConfig",
        }
    )
    DEFAULTS = MappingProxyType({"bootstrapSelfManagedAddons": True})
    OURS = frozenset({"bootstrapSelfManagedAddons"})
    COMPUTED = (
        "accessConfig",
        "arn",
        "certificateAuthority",
        "deletionProtection",
        "endpoint",
        "identities",
        "platformVersion",
        "status",
        "version",
    )
    COMPUTED_INSIDE = MappingProxyType(
        {"vpcConfig": ("clusterSecurityGroupId", "publicAccessCidrs", "vpcId")}
    )
    NAME = "name"
    LONGEST_NAME = 100

    def replaces(self, old: Properties, new: Properties, changes: Set[str]) -> Set[str]:
        """Inside of what else can change: what was decided at birth."""
        found = set(super().replaces(old, new, changes))
        if "encryptionConfig" in changes and not new.get("encryptionConfig"):
            # EKS can not be told to stop encrypting.
            found.add("encryptionConfig")
        admin = "bootstrapClusterCreatorAdminPermissions"
        before, after = (side.get("accessConfig") or {} for side in (old, new))
        if "accessConfig" in changes and before.get(admin) != after.get(admin):
            found.add("accessConfig")
        return found

    def create(self, inputs: Properties) -> str:
        self.client.create_cluster(
            name=inputs["name"],
            roleArn=inputs["roleArn"],
            resourcesVpcConfig=_vpc_config(inputs),
            bootstrapSelfManagedAddons=inputs["bootstrapSelfManagedAddons"],
            tags=inputs["tags"],
            logging=_logging(inputs.get("enabledClusterLogTypes") or []),
            **pick(inputs, "accessConfig", "deletionProtection", "version"),
            **({"encryptionConfig": _encryption(inputs)} if _encryption(inputs) else {}),
        )
        return str(inputs["name"])

    def _get(self, name: str) -> Any:
        return self.client.describe_cluster(name=name)["cluster"]

    def finish(self, known: Known) -> None:
        def active() -> bool | None:
            status = self._get(known.id)["status"]
            if status == "FAILED":
                raise CloudError(f"EKS cluster {known.id} failed")
            return True if status == "ACTIVE" else None

        self.aws.wait(f"EKS cluster {known.id} becomes active", active, SECONDS)

    def derive(self, inputs: Properties) -> Properties:
        return {"arn": self.aws.arn("eks", f"cluster/{inputs['name']}")}

    def read(self, known: Known) -> Properties | None:
        item = self._get(known.id)
        if item["status"] == "DELETING":
            return None
        logs = [
            kind
            for one in (item.get("logging") or {}).get("clusterLogging", [])
            if one.get("enabled")
            for kind in one.get("types", [])
        ]
        return self.described(item) | {
            "identities": [{"oidcs": [{"issuer": item["identity"]["oidc"]["issuer"]}]}]
            if item.get("identity")
            else None,
            "vpcConfig": item["resourcesVpcConfig"],
            "enabledClusterLogTypes": sorted(logs),
            "encryptionConfig": _encryption_state(item),
            "deletionProtection": item.get("deletionProtection", False),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """One kind of change a call: EKS refuses more."""
        name = known.id
        if "version" in changes and inputs.get("version"):
            answer = self.client.update_cluster_version(name=name, version=inputs["version"])
            self.finish_update(answer["update"], name=name)
        changed: list[dict[str, Any]] = []
        if "accessConfig" in changes:
            mode = inputs["accessConfig"]["authenticationMode"]
            changed.append({"accessConfig": {"authenticationMode": mode}})
        if "vpcConfig" in changes:
            changed += self._vpc_changes(known, inputs)
        if "enabledClusterLogTypes" in changes:
            types = inputs.get("enabledClusterLogTypes") or []
            changed.append({"logging": _logging(types)})
        if "deletionProtection" in changes:
            changed.append({"deletionProtection": bool(inputs.get("deletionProtection"))})
        for change in changed:
            answer = self.client.update_cluster_config(name=name, **change)
            self.finish_update(answer["update"], name=name)
        if "encryptionConfig" in changes:
            answer = self.client.associate_encryption_config(
                clusterName=name, encryptionConfig=_encryption(inputs)
            )
            self.finish_update(answer["update"], name=name)

    def _vpc_changes(self, known: Known, inputs: Properties) -> list[dict[str, Any]]:
        old, new = known.inputs.get("vpcConfig", {}), _vpc_config(inputs)
        place = {"subnetIds", "securityGroupIds"}
        groups = (
            {key: value for key, value in new.items() if key in place},
            {key: value for key, value in new.items() if key not in place},
        )
        return [
            {"resourcesVpcConfig": group}
            for group in groups
            if any(old.get(key) != value for key, value in group.items())
        ]

    def delete(self, known: Known) -> None:
        self.client.delete_cluster(name=known.id)
        self.wait_gone(f"EKS cluster {known.id} is deleted", lambda: self._get(known.id), SECONDS)


def _vpc_config(inputs: Properties) -> dict[str, Any]:
    return {
        key: value
        for key, value in inputs["vpcConfig"].items()
        if value is not None and key not in ("vpcId", "clusterSecurityGroupId")
    }


def _logging(types: list[str]) -> dict[str, Any]:
    off = [kind for kind in _LOG_TYPES if kind not in types]
    wanted = [(types, True), (off, False)]
    return {"clusterLogging": [{"types": kinds, "enabled": on} for kinds, on in wanted if kinds]}


def _encryption(inputs: Properties) -> list[dict[str, Any]]:
    config = inputs.get("encryptionConfig")
    return [config] if config else []


def _encryption_state(item: Any) -> Any | None:
    configs = item.get("encryptionConfig")
    return configs[0] if configs else None
