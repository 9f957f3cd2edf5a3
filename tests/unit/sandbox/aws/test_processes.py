"""The AWS part of a sandbox, as data."""

import json
import stat

import pytest

from sandbox.aws.access_policies import ROLES, group
from sandbox.aws.manifests import manifests
from sandbox.aws.pod_identity.settings import PodIdentitySettings
from sandbox.aws.processes import new_key, prepare, processes
from sandbox.aws.standin.settings import EmulatorSettings
from sandbox.instance import Instance


@pytest.fixture
def instance(tmp_path):
    return Instance("test", 3, tmp_path / "sandbox")


def test_the_root_key_is_made_once_and_for_its_owner_only(instance):
    prepare(instance)
    first = instance.aws_credentials.read_text()
    prepare(instance)
    assert instance.aws_credentials.read_text() == first
    assert stat.S_IMODE(instance.aws_credentials.stat().st_mode) == 0o600
    assert stat.S_IMODE(instance.aws_credentials.parent.stat().st_mode) == 0o700
    assert json.loads(first).keys() == {"access_key_id", "secret_access_key"}


def test_a_key_that_was_not_finished_does_not_stand_in_the_way(instance):
    instance.aws_credentials.parent.mkdir(parents=True)
    instance.aws_credentials.with_suffix(".new").write_text("{")
    prepare(instance)
    assert json.loads(instance.aws_credentials.read_text())["access_key_id"]


def test_keys_have_aws_form_and_differ():
    first, second = new_key(), new_key()
    assert first["access_key_id"].startswith("AKIA")
    assert len(first["access_key_id"]) == 20
    assert len(first["secret_access_key"]) == 40
    assert first != second


def test_no_secret_is_in_a_command_line_or_an_environment(instance):
    prepare(instance)
    secret = json.loads(instance.aws_credentials.read_text())["secret_access_key"]
    for process in processes(instance):
        assert secret not in " ".join(process.argv)
        assert secret not in " ".join(process.env.values())


def test_the_emulator_says_where_the_clusters_api_is(instance):
    emulator, node = processes(instance)
    settings = EmulatorSettings.read(emulator.env)
    assert settings.cluster_endpoint == "https://10.213.3.2:6443"
    assert settings.state == instance.root / "aws"
    assert node.after == [emulator.name]
    assert PodIdentitySettings.read(node.env).aws_url == "http://10.213.3.2:4566"


def test_settings_survive_their_environment(instance):
    emulator, node = processes(instance)
    assert EmulatorSettings.read(emulator.env).environment().items() <= emulator.env.items()
    assert PodIdentitySettings.read(node.env).environment().items() <= node.env.items()


def test_every_access_policy_is_bound_to_a_role():
    found = manifests("pem")
    bound = {
        item["subjects"][0]["name"]: item["roleRef"]["name"]
        for item in found
        if item["kind"] == "ClusterRoleBinding"
    }
    assert bound.pop("system:aerodrome:pod-identity") == "system:aerodrome:access-policies"
    wanted = {group(policy): role for policy, role in ROLES.items()}
    assert wanted.pop("system:masters") == "cluster-admin"
    assert bound == wanted


def test_the_webhook_is_asked_about_all_pods_but_the_nodes_own():
    (webhook,) = [item for item in manifests("pem") if item["kind"].startswith("Mutating")]
    (hook,) = webhook["webhooks"]
    assert hook["clientConfig"]["url"] == "https://127.0.0.1:9443/mutate"
    assert hook["namespaceSelector"]["matchExpressions"][0]["values"] == ["kube-system"]
    assert hook["failurePolicy"] == "Fail"


def test_the_stand_in_may_bind_the_roles_of_access_policies_and_no_others():
    (role,) = [
        item
        for item in manifests("pem")
        if (item["kind"], item["metadata"]["name"])
        == ("ClusterRole", "system:aerodrome:access-policies")
    ]
    bind = role["rules"][0]
    assert bind["verbs"] == ["bind"]
    assert set(bind["resourceNames"]) == set(ROLES.values())
