"""Kinds of Kubernetes objects: their names, where they are served, what is namespaced.

Kubernetes's own kinds stand in a table, so that Check needs no cluster for them; others
(custom resources) are asked for once a process. `objects.py` and `client.py` use it.
"""

from dataclasses import dataclass

from sandbox.errors import Unsupported

# GROUP/VERSION: Kind=plural ..., as Kubernetes 1.36 serves them; ! marks cluster scope.
_BUILT_IN = """
v1: Binding=bindings ConfigMap=configmaps Endpoints=endpoints Event=events LimitRange=limitranges
    !Namespace=namespaces !Node=nodes PersistentVolumeClaim=persistentvolumeclaims
    !PersistentVolume=persistentvolumes Pod=pods PodTemplate=podtemplates
    ReplicationController=replicationcontrollers ResourceQuota=resourcequotas Secret=secrets
    ServiceAccount=serviceaccounts Service=services
apiregistration.k8s.io/v1: !APIService=apiservices
apps/v1: ControllerRevision=controllerrevisions DaemonSet=daemonsets Deployment=deployments
    ReplicaSet=replicasets StatefulSet=statefulsets
autoscaling/v1: HorizontalPodAutoscaler=horizontalpodautoscalers
autoscaling/v2: HorizontalPodAutoscaler=horizontalpodautoscalers
batch/v1: CronJob=cronjobs Job=jobs
certificates.k8s.io/v1: !CertificateSigningRequest=certificatesigningrequests
networking.k8s.io/v1: !IngressClass=ingressclasses Ingress=ingresses !IPAddress=ipaddresses
    NetworkPolicy=networkpolicies !ServiceCIDR=servicecidrs
policy/v1: PodDisruptionBudget=poddisruptionbudgets
rbac.authorization.k8s.io/v1: !ClusterRoleBinding=clusterrolebindings !ClusterRole=clusterroles
    RoleBinding=rolebindings Role=roles
storage.k8s.io/v1: !CSIDriver=csidrivers !CSINode=csinodes
    CSIStorageCapacity=csistoragecapacities !StorageClass=storageclasses
    !VolumeAttachment=volumeattachments !VolumeAttributesClass=volumeattributesclasses
admissionregistration.k8s.io/v1: !MutatingAdmissionPolicy=mutatingadmissionpolicies
    !MutatingAdmissionPolicyBinding=mutatingadmissionpolicybindings
    !MutatingWebhookConfiguration=mutatingwebhookconfigurations
    !ValidatingAdmissionPolicy=validatingadmissionpolicies
    !ValidatingAdmissionPolicyBinding=validatingadmissionpolicybindings
    !ValidatingWebhookConfiguration=validatingwebhookconfigurations
apiextensions.k8s.io/v1: !CustomResourceDefinition=customresourcedefinitions
scheduling.k8s.io/v1: !PriorityClass=priorityclasses
coordination.k8s.io/v1: Lease=leases
node.k8s.io/v1: !RuntimeClass=runtimeclasses
discovery.k8s.io/v1: EndpointSlice=endpointslices
resource.k8s.io/v1: !DeviceClass=deviceclasses ResourceClaim=resourceclaims
    ResourceClaimTemplate=resourceclaimtemplates !ResourceSlice=resourceslices
flowcontrol.apiserver.k8s.io/v1: !FlowSchema=flowschemas
    !PriorityLevelConfiguration=prioritylevelconfigurations
"""

RELEASE = "kubernetes:helm.sh/v3:Release"

_REFUSED_GROUPS = {
    "helm.sh": "Use kubernetes.helm.v3.Release.",
    "yaml": "Declare the objects themselves, or a chart with kubernetes.helm.v3.Release.",
    "kustomize": "Declare the objects themselves, or a chart with kubernetes.helm.v3.Release.",
}


@dataclass(frozen=True)
class Kind:
    """A kind as manifests name it: `api_version` is like v1 or apps/v1."""

    api_version: str
    kind: str

    @property
    def group(self) -> str:
        """'' is the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def prefix(self) -> str:
        """The path below which the kube-apiserver serves its group and version."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"

    @property
    def built_in(self) -> bool:
        """Whether its group is Kubernetes's own: then no CRD can bring it."""
        return any(self.group == known.group for known in _TABLE)

    def __str__(self) -> str:
        return f"{self.api_version}/{self.kind}"


@dataclass(frozen=True)
class Served:
    """Where a kind's objects are."""

    plural: str
    namespaced: bool


def _parse(table: str) -> dict[Kind, Served]:
    found: dict[Kind, Served] = {}
    api_version = ""
    for word in table.split():
        if word.endswith(":"):
            api_version = word[:-1]
            continue
        name, _, plural = word.lstrip("!").partition("=")
        found[Kind(api_version, name)] = Served(plural, namespaced=not word.startswith("!"))
    return found


_TABLE = _parse(_BUILT_IN)


def built_in(kind: Kind) -> Served | None:
    """Where one of Kubernetes's own kinds is served; None for others."""
    return _TABLE.get(kind)


def kind_of(token: str) -> Kind:
    """The kind that a type token such as kubernetes:apps/v1:Deployment names.

    Unsupported for those that are no objects of a cluster, or not the whole of one.
    """
    _, api_version, name = (*token.split(":"), "", "")[:3]
    group = api_version.rpartition("/")[0]
    if group in _REFUSED_GROUPS:
        raise Unsupported(
            f"The sandbox's kubernetes provider does not know the resource type {token}",
            _REFUSED_GROUPS[group],
        )
    kind = Kind(api_version.removeprefix("core/"), name)
    whole = Kind(kind.api_version, name.removesuffix("Patch"))
    if name.endswith("Patch") and (whole in _TABLE or not kind.built_in):
        raise Unsupported(
            f"The sandbox's kubernetes provider does not know the resource type {token}",
            "It does not patch objects that it does not own.",
        )
    if kind.built_in and kind not in _TABLE:
        raise Unsupported(
            f"The sandbox's kubernetes provider does not know the resource type {token}",
            "Kubernetes 1.36 does not serve it, or it can not be created by itself.",
        )
    return kind
