"""Who has which role in the environment's project in Rancher: as declared, and nobody half."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import UserError
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.rancher import Rancher, Unanswered
from cli.operations.rancher import projects
from cli.operations.rancher.own import follow_base, register_own
from infra.contract.naming import Names, labels
from sandbox.tools import tool
from tests.api_server import OUTSIDER
from tests.played_rancher import TOKEN, PlayedRancher
from tests.unit.cli.operations.rancher.test_own import QUICK, live, works
from tests.unit.cli.test_rancher_verbs import MARKED

__all__ = ["live"]

GROUP, ALICE = "github_team://1234", "local://u-alice"
DECLARED = {GROUP: "read-only", "alice": "project-member"}
LABEL = "aerodrome/environment"


class Cluster:
    """The one namespace of an environment."""

    namespace = "airflow"

    def __init__(self) -> None:
        self.annotations: dict[str, str] = {}

    def find(self, kind: str, name: str) -> dict[str, Any]:
        assert (kind, name) == ("namespace", self.namespace)
        return {"metadata": {"name": name, "annotations": self.annotations}}

    def objects(self, kinds: str, *, selector: str) -> list[dict[str, Any]]:
        assert (kinds, selector) == ("namespaces", "aerodrome/base=dev")
        return []

    def apply(self, item: dict[str, Any], manager: str) -> dict[str, Any]:
        self.annotations = item["metadata"]["annotations"]
        return item


@pytest.fixture
def there(played: PlayedRancher) -> PlayedRancher:
    """A Rancher with the cluster, and people."""
    played.clusters["c-1"] = played._cluster("c-1", {"name": "a", "annotations": MARKED})
    played.connect()
    played.principals |= {GROUP: "group", ALICE: "user", "local://u-bob": "user"}
    played.users["alice"] = "u-alice"
    return played


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def keep(there: PlayedRancher, cluster: Cluster) -> Callable[..., projects.Deeds]:
    def run(declared: dict[str, str], kubernetes: Any = None) -> projects.Deeds:
        with Rancher(there.url, TOKEN, {}, tries=1, pause=0.01) as rancher:
            found: Any = kubernetes or cluster
            return projects.keep(rancher, found, "c-1", "dev", declared)

    return run


def roles(played: PlayedRancher) -> set[tuple[str, str]]:
    return {
        (
            str(one.get("groupPrincipalId") or one.get("userPrincipalId")),
            str(one["roleTemplateId"]),
        )
        for one in played.bindings.values()
    }


BOTH = {(GROUP, "read-only"), (ALICE, "project-member")}


def test_the_namespace_gets_a_project_and_each_a_role_and_a_second_run_changes_nothing(
    keep: Callable[..., projects.Deeds], there: PlayedRancher, cluster: Cluster
) -> None:
    done = keep(DECLARED)
    assert len(done.made) == 2
    ((identifier, project),) = there.projects.items()
    assert (project["name"], project["clusterId"]) == ("aerodrome-dev", "c-1")
    # As Rancher itself marks a namespace that is in a project.
    assert cluster.annotations == {"field.cattle.io/projectId": identifier}
    assert roles(there) == BOTH
    assert {"groupPrincipalId", "userPrincipalId"} <= {
        key for one in there.bindings.values() for key in one
    }
    before, asked = dict(there.bindings), len(there.asked)
    done = keep(DECLARED)
    assert (done.made, done.removed, there.bindings) == ([], [], before)
    assert {one.split()[0] for one in there.asked[asked:]} == {"GET"}


def test_what_somebody_changed_is_put_right_and_what_is_not_ours_stays(
    keep: Callable[..., projects.Deeds], there: PlayedRancher
) -> None:
    keep(DECLARED)
    (project,) = there.projects
    theirs = {
        "projectId": project,
        "roleTemplateId": "project-owner",
        "userPrincipalId": "local://u-bob",
    }
    there._post_projectroletemplatebindings("", {}, theirs)
    gone = next(key for key, one in there.bindings.items() if one.get("groupPrincipalId"))
    del there.bindings[gone]
    bob = ("local://u-bob", "project-owner")
    assert keep(DECLARED).made == [f"{GROUP} as read-only"]
    assert roles(there) == BOTH | {bob}
    # Another role, and one who is not declared any more.
    done = keep({"alice": "project-owner"})
    assert (len(done.made), len(done.removed)) == (1, 2)
    assert roles(there) == {(ALICE, "project-owner"), bob}


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (DECLARED | {"github_team://9999": "read-only"}, "github_team://9999"),
        (DECLARED | {"mallory": "read-only"}, "mallory"),
        (DECLARED | {"alice": "cluster-owner"}, "no project role 'cluster-owner'"),
        (DECLARED | {"alice": "owner"}, "no project role 'owner'"),
    ],
)
def test_who_is_not_known_is_named_and_nothing_is_half_done(
    declared: dict[str, str],
    words: str,
    keep: Callable[..., projects.Deeds],
    there: PlayedRancher,
    cluster: Cluster,
) -> None:
    with pytest.raises(UserError) as caught:
        keep(declared)
    assert words in caught.value.summary
    assert not (there.projects or there.bindings or cluster.annotations)
    assert not [one for one in there.asked if not one.startswith("GET")]


def test_with_nobody_declared_nothing_is_made_and_what_was_made_goes(
    keep: Callable[..., projects.Deeds], there: PlayedRancher, cluster: Cluster
) -> None:
    assert keep({}).project == ""
    assert not there.projects
    keep(DECLARED)
    assert len(keep({}).removed) == 2
    assert not (there.projects or there.bindings or cluster.annotations)


def test_interrupted_anywhere_it_goes_on(
    keep: Callable[..., projects.Deeds], there: PlayedRancher
) -> None:
    # The answer to its creation got lost: it is found again.
    there.loses = 1
    keep({"alice": "read-only"})
    assert len(there.projects) == 1
    there.refuses = [("POST /v3/projectroletemplatebindings", 503)]
    with pytest.raises(Unanswered):
        keep(DECLARED)
    keep(DECLARED)
    assert (len(there.projects), roles(there)) == (1, BOTH)


def test_the_namespace_is_moved_for_real_and_keeps_what_others_wrote(
    keep: Callable[..., projects.Deeds], api_server: str
) -> None:
    kubernetes = Kubernetes(api_server, "in-a-project", tool("kubectl"))
    of_others = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "in-a-project"}}
    of_others["metadata"] |= {"annotations": {"team": "data"}}  # type: ignore[operator]
    kubernetes.apply(of_others, "somebody")

    def annotations() -> dict[str, str]:
        found = kubernetes.find("namespace", "in-a-project")
        assert found is not None
        return dict(found["metadata"]["annotations"])

    done = keep(DECLARED, kubernetes)
    assert annotations() == {"team": "data", projects.ANNOTATION: done.project}
    assert projects.is_in_one(kubernetes)
    keep({}, kubernetes)
    assert annotations() == {"team": "data"}


class Spaces:
    """A base's namespace and those of branches in a real API server."""

    def __init__(self, api_server: str) -> None:
        self.base = self.of(api_server, "airflow")
        self.branch = self.of(api_server, Names("feature", shared=True).namespace)
        self.other = self.of(api_server, Names("other", shared=True).namespace)
        self.add(self.base, labels("dev"))
        self.add(self.branch, labels("feature", "dev"))
        self.add(self.other, labels("other", "another-base"))

    def of(self, api_server: str, namespace: str) -> Kubernetes:
        return Kubernetes(api_server, namespace, tool("kubectl"))

    def add(self, kubernetes: Kubernetes, marks: dict[str, str]) -> None:
        metadata = {"name": kubernetes.namespace, "labels": marks}
        kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, "pulumi")

    def put(self, kubernetes: Kubernetes, project: str) -> None:
        """As Rancher does when somebody moves a namespace by hand."""
        there = kubernetes.find("namespace", kubernetes.namespace)
        assert there is not None
        kubernetes.patch(there, {"metadata": {"annotations": {projects.ANNOTATION: project}}})

    def projects(self) -> list[str]:
        return [
            ((one.find("namespace", one.namespace) or {})["metadata"].get("annotations") or {}).get(
                projects.ANNOTATION, ""
            )
            for one in (self.base, self.branch, self.other)
        ]


@pytest.fixture
def spaces(api_server: str) -> Spaces:
    return Spaces(api_server)


def test_branches_go_with_their_base_into_its_project_and_out_of_it(
    keep: Callable[..., projects.Deeds], spaces: Spaces
) -> None:
    done = keep(DECLARED, spaces.base)
    assert spaces.projects() == [done.project, done.project, ""]
    keep({}, spaces.base)
    assert spaces.projects() == ["", "", ""]


def test_a_branch_that_comes_later_follows_its_base(
    keep: Callable[..., projects.Deeds],
    live: Callable[..., Any],
    spaces: Spaces,
    capsys: pytest.CaptureFixture[str],
) -> None:
    env = live("feature", tenancy="shared", base="dev")
    vars(env)["kubernetes"] = spaces.branch
    # Its base is in none: somebody's choice stays.
    spaces.put(spaces.branch, "c-1:p-theirs")
    follow_base(env)
    assert spaces.projects() == ["", "c-1:p-theirs", ""]
    assert "in Rancher" not in capsys.readouterr().err
    spaces.put(spaces.base, "c-1:p-base")
    follow_base(env)
    assert spaces.projects() == ["c-1:p-base", "c-1:p-base", ""]
    assert "in its base's project in Rancher, c-1:p-base" in capsys.readouterr().err
    follow_base(env)
    assert "in Rancher" not in capsys.readouterr().err


def test_a_branch_that_may_not_look_at_its_base_is_deployed_all_the_same(
    live: Callable[..., Any], api_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    env = live("feature", tenancy="shared", base="dev")
    config = json.loads(api_server)
    config["users"][0]["user"] = {"token": OUTSIDER}
    vars(env)["kubernetes"] = Kubernetes(json.dumps(config), env.names.namespace)
    follow_base(env)
    assert "not brought into its base's project" in capsys.readouterr().err


def test_up_keeps_them_and_names_what_is_wrong(
    live: Callable[..., Any], there: PlayedRancher, tmp_path: Path
) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(f'rancher: {{"{GROUP}": read-only}}\n')
    env = live()
    works(env)
    env.backend.values |= {"aerodrome:accessFile": str(file)}
    found = register_own(env, {"RANCHER_TOKEN": TOKEN}, QUICK)
    assert (found["registered"], found["next"]) == (True, "")
    assert roles(there) == {(GROUP, "read-only")}
    assert ("apply", "namespace", env.kubernetes.namespace) in env.kubernetes.calls
    file.write_text("rancher: {mallory: read-only}\n")
    found = register_own(env, {"RANCHER_TOKEN": TOKEN}, QUICK)
    assert found["registered"] is True
    assert found["reason"] == "Rancher does not know 'mallory'"
    assert "rancher import" in found["next"]
    assert roles(there) == {(GROUP, "read-only")}
