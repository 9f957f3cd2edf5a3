"""Who may do what with an environment in Rancher: a project with its namespace and its branches', and role bindings as
`access.yaml` declares them.

Comes after the registration. Everything that is declared is looked up before anything is made. What the kit has made bears its label: those of its bindings
that are not declared any more go, and what people made by hand stays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.base.errors import KitError, UserError
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.rancher import Item, Rancher, Unanswered
from cli.operations.rancher.registration import MANAGER
from infra.contract.naming import LABEL_BASE, LABEL_ENVIRONMENT, PREFIX

ANNOTATION = "field.cattle.io/projectId"
"""Of a namespace: the project that it is in."""

_OF_A_PROJECT = "project"
_GROUP, _USER = "groupPrincipalId", "userPrincipalId"


@dataclass
class Deeds:
    """What was done."""

    project: str = ""
    made: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def data(self) -> dict[str, object]:
        return {"project": self.project, "made": self.made, "removed": self.removed}


@dataclass(frozen=True, order=True)
class Binding:
    """Somebody's role in a project."""

    principal: str
    kind: str
    """The field that says who it is: a group, or a user."""

    role: str

    @property
    def label(self) -> str:
        return f"{self.principal} as {self.role}"


def keep(
    rancher: Rancher,
    kubernetes: Kubernetes,
    cluster: str,
    environment: str,
    declared: Mapping[str, str],
    report: Callable[[str], None] = lambda line: None,
) -> Deeds:
    """Brings the environment's project to what is declared: a role by principal. UserError, with nothing changed, if Rancher does not
    know somebody, or a role."""
    wanted = {_binding(rancher, principal, role) for principal, role in declared.items()}
    project = _ours(rancher, cluster, environment)
    if not wanted and project is None:
        return Deeds()
    if not wanted:
        done = forget(rancher, cluster, environment, kubernetes)
        report(
            "nobody is declared below `rancher` any more: the environment's project in Rancher is gone"
        )
        return done
    project = project or _made(rancher, cluster, environment)
    done = Deeds(project["id"])
    _move_all(kubernetes, environment, project["id"])
    there = _bindings(rancher, project["id"], environment)
    # A role that changes is given before the former one is taken.
    for one in sorted(wanted - set(there.values())):
        rancher.create_binding(
            {
                "projectId": project["id"],
                "roleTemplateId": one.role,
                one.kind: one.principal,
                "labels": {LABEL_ENVIRONMENT: environment},
            }
        )
        done.made.append(one.label)
        report(f"{one.label} in Rancher's project {project.get('name')}")
    seen: set[Binding] = set()
    for identifier, one in there.items():
        if one in wanted and one not in seen:
            seen.add(one)
            continue
        rancher.delete_binding(identifier)
        done.removed.append(one.label)
        report(f"not declared any more: {one.label} in Rancher's project {project.get('name')}")
    return done


def forget(
    rancher: Rancher,
    cluster: str,
    environment: str,
    kubernetes: Kubernetes | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Deeds:
    """Takes away what the kit has made in Rancher for an environment; nothing if there is nothing."""
    done = Deeds()
    project = _ours(rancher, cluster, environment)
    if project is None:
        return done
    for identifier, one in _bindings(rancher, project["id"], environment).items():
        rancher.delete_binding(identifier)
        done.removed.append(one.label)
    if kubernetes is not None:
        _move_all(kubernetes, environment, "")
    rancher.delete_project(project["id"])
    report(f"Rancher's project {project.get('name')}")
    return done


def _binding(rancher: Rancher, name: str, role: str) -> Binding:
    template = rancher.role_template(role)
    if template is None or template.get("context") != _OF_A_PROJECT:
        raise UserError(
            f"Rancher has no project role {role!r}",
            f"access.yaml gives it to {name}. Nothing was changed in Rancher. Its own are project-owner, project-member and read-only.",
            "./aerodrome access check",
        )
    if "://" in name:
        principal = rancher.principal(name)
        if principal is not None:
            group = principal.get("principalType") == "group"
            return Binding(name, _GROUP if group else _USER, role)
    else:
        for user in rancher.users(name):
            own = [one for one in user.get("principalIds") or () if one.startswith("local://")]
            if own:
                return Binding(own[0], _USER, role)
    raise UserError(
        f"Rancher does not know {name!r}",
        "access.yaml has it below `rancher`. Nothing was changed in Rancher. It is a user's name there, or the id of a user or a group of its "
        "login, such as github_team://1234 (/v3/principals shows them).",
        "./aerodrome access check",
    )


def _ours(rancher: Rancher, cluster: str, environment: str) -> Item | None:
    found = [
        one
        for one in rancher.projects(cluster)
        if (one.get("labels") or {}).get(LABEL_ENVIRONMENT) == environment
        and one.get("state") != "removing"
    ]
    return min(found, key=lambda one: str(one["id"]), default=None)


def _made(rancher: Rancher, cluster: str, environment: str) -> Item:
    document = {
        "name": f"{PREFIX}-{environment}",
        "clusterId": cluster,
        "labels": {LABEL_ENVIRONMENT: environment},
    }
    try:
        return rancher.create_project(document)
    except Unanswered as error:
        # The answer may have got lost on its way: then it is there.
        found = None if 400 <= error.status < 500 else _ours(rancher, cluster, environment)
        if found is None:
            raise
        return found


def _bindings(rancher: Rancher, project: str, environment: str) -> dict[str, Binding]:
    """The kit's own, by id."""
    found = {}
    for one in rancher.bindings(project):
        if (one.get("labels") or {}).get(LABEL_ENVIRONMENT) != environment:
            continue
        kind = _GROUP if one.get(_GROUP) else _USER
        found[one["id"]] = Binding(
            str(one.get(kind) or ""), kind, str(one.get("roleTemplateId") or "")
        )
    return found


def is_in_one(kubernetes: Kubernetes) -> bool:
    """Whether the environment's namespace is in a project of Rancher's."""
    return bool(_project(kubernetes.find("namespace", kubernetes.namespace)))


def follow(kubernetes: Kubernetes, namespace: str, base: str) -> str | None:
    """Brings a branch's namespace into the project that the namespace `base` is in, or out of the one that it had there.

    Returns the project, or an empty text for none; None if nothing had to be changed.
    """
    project = _project(kubernetes.find("namespace", base))
    return project if _move(kubernetes, namespace, project) else None


def _project(namespace: Mapping[str, Any] | None) -> str:
    metadata = (namespace or {}).get("metadata") or {}
    return str((metadata.get("annotations") or {}).get(ANNOTATION) or "")


def _move_all(kubernetes: Kubernetes, environment: str, project: str) -> None:
    """The namespaces of an environment and its branches into a project, or out of it."""
    own = kubernetes.namespace
    if project and kubernetes.find("namespace", own) is None:
        raise KitError(f"There is no namespace {own}", "Rancher's project has nothing to hold.")
    of_branches = kubernetes.objects("namespaces", selector=f"{LABEL_BASE}={environment}")
    for name in sorted({own, *(str(one["metadata"]["name"]) for one in of_branches)}):
        _move(kubernetes, name, project)


def _move(kubernetes: Kubernetes, name: str, project: str) -> bool:
    """Whether a namespace had to be moved into a project, or out of it: what this manager no longer applies goes."""
    there = kubernetes.find("namespace", name)
    if there is None or _project(there) == project:
        return False
    annotations = {ANNOTATION: project} if project else {}
    moved = kubernetes.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "annotations": annotations},
        },
        f"{MANAGER}-project",
    )
    # Out of a project into which somebody else has put it, it is not taken.
    return _project(moved) == project
