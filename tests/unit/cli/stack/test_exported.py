"""A state without the cluster that is gone."""

from cli.stack.exported import without_cluster

URN = "urn:pulumi:dev::aerodrome::"


def test_what_lived_in_the_cluster_goes_and_nobody_depends_on_it() -> None:
    namespace = f"{URN}kubernetes:core/v1:Namespace::n"
    role = {
        "urn": f"{URN}aws:iam/role:Role::r",
        "type": "aws:iam/role:Role",
        "dependencies": [namespace, f"{URN}other"],
        "propertyDependencies": {"name": [namespace], "path": None},
        "deletedWith": namespace,
    }
    release = {"urn": f"{URN}release", "type": "kubernetes:helm.sh/v3:Release"}
    provider = {"urn": f"{URN}provider", "type": "pulumi:providers:kubernetes"}
    before = {
        "manifest": {"version": "3"},
        "resources": [
            {"urn": namespace, "type": "kubernetes:core/v1:Namespace"},
            release,
            provider,
            role,
        ],
    }
    after, count = without_cluster(before)
    assert count == 2
    assert after["manifest"] == {"version": "3"}
    assert after["resources"] == [
        provider,
        {
            "urn": role["urn"],
            "type": role["type"],
            "dependencies": [f"{URN}other"],
            "propertyDependencies": {"name": [], "path": []},
        },
    ]
    assert without_cluster(after) == (after, 0)


def test_unfinished_steps_in_the_cluster_go_too() -> None:
    secret = {"urn": f"{URN}secret", "type": "kubernetes:core/v1:Secret"}
    role = {"urn": f"{URN}role", "type": "aws:iam/role:Role", "dependencies": [f"{URN}secret"]}
    before = {
        "pending_operations": [
            {"type": "creating", "resource": secret},
            {"type": "creating", "resource": role},
        ]
    }
    after, count = without_cluster(before)
    assert count == 1
    assert after["pending_operations"] == [
        {"type": "creating", "resource": {**role, "dependencies": []}}
    ]
