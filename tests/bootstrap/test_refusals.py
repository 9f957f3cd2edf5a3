"""What will not do is said before anything is made."""

import pytest

from tests.bootstrap.conftest import Account, program


def _refused(account: Account, *arguments: str, **variables: str) -> str:
    """What a run says that must be refused, and must make nothing."""
    done = account.bootstrap(*arguments, **variables)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not account.has_bucket()
    assert account.keys() == []
    assert not account.config_file.exists()
    return done.stderr


def test_tools_that_are_missing_old_or_broken(account: Account) -> None:
    (account.folder / "bin" / "helm").unlink()
    program(account.folder, "aws", "echo aws-cli/2.6.9")
    program(account.folder, "docker", "echo daemon is away >&2; exit 1")
    said = _refused(account, PATH=f"{account.folder / 'bin'}:/bin")
    assert "A deployment to AWS needs 4 thing(s) that this machine lacks" in said
    assert "helm: `helm` is not on the PATH; it shows and repairs the release" in said
    assert "https://helm.sh/docs/intro/install/" in said
    assert "aws: version 2.6.9 is older than 2.7.0" in said
    assert "`docker buildx version` failed (daemon is away)" in said


def test_a_quota_that_is_too_small_names_the_shortfall(account: Account) -> None:
    account.limit(quotas={"ec2/L-0263D0A3": 1, "ec2/L-1216C47A": 5, "vpc/L-F678F1CE": 1})
    said = _refused(account)
    assert f"The account's quotas in {account.region} are too small" in said
    assert "Elastic IPs: the limit is 1, 0 in use, 2 needed: 1 too few" in said
    assert "VPCs: the limit is 1, 1 in use, 1 needed: 1 too few" in said
    assert "standard families): the limit is 5, 0 in use, 6 needed: 1 too few" in said
    assert "--quota-code L-0263D0A3 --desired-value 2" in said


def test_a_way_out_in_each_zone_takes_an_address_in_each(account: Account) -> None:
    account.limit(quotas={"ec2/L-0263D0A3": 2})
    said = _refused(account, "--set", "natPerZone=true")
    assert "Elastic IPs: the limit is 2, 0 in use, 3 needed: 1 too few" in said


def test_a_network_that_is_there_takes_no_quota(account: Account) -> None:
    account.limit(quotas={"ec2/L-0263D0A3": 0, "vpc/L-F678F1CE": 1})
    said = _refused(account, "--set", "vpcId=vpc-0123456789abcdef0")
    # The one address is the Rancher server's.
    assert "Elastic IPs: the limit is 0, 0 in use, 1 needed: 1 too few" in said
    assert "VPCs" not in said


def test_a_cluster_that_is_there_takes_none_at_all(account: Account) -> None:
    none = {"ec2/L-0263D0A3": 0, "vpc/L-F678F1CE": 1, "ec2/L-1216C47A": 0}
    account.limit(quotas=none)
    wanted = ("clusterName=team", "rancherEnabled=false")
    done = account.bootstrap(*(word for each in wanted for word in ("--set", each)))
    assert done.returncode == 0, done.stderr


def test_nodes_for_tasks_that_a_quota_does_not_hold_are_told_and_refuse_nothing(
    account: Account,
) -> None:
    account.limit(quotas={"ec2/L-1216C47A": 20, "ec2/L-34B43A08": 100})
    wanted = ("taskNodes=true", "taskNodeMax=5", "taskNodeSpot=true")
    done = account.bootstrap(*(word for each in wanted for word in ("--set", each)))
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    # Four vCPUs in the largest of their types; Airflow's own nodes and Rancher's server have six.
    assert (
        "on-demand instances (standard families): 20, in use 0, needed 6, with all nodes for tasks 26: 6 too few, so AWS makes "
        "fewer than taskNodeMax, and tasks wait"
    ) in said
    assert (
        "spot instances (standard families): 100, in use 0, needed 0, with all nodes for tasks 20\n"
        in said
    )


def test_a_smaller_environment_fits_a_smaller_quota(account: Account) -> None:
    account.limit(quotas={"ec2/L-0263D0A3": 1, "ec2/L-1216C47A": 2})
    smaller = ("--set", "rancherEnabled=false", "--set", "nodeDesired=1")
    done = account.bootstrap(*smaller)
    assert done.returncode == 0, done.stderr


def test_a_region_without_the_instance_type_names_others(account: Account) -> None:
    account.limit(missingInstanceTypes=["m7i.large"])
    said = _refused(account)
    assert f"m7i.large cannot be had in {account.region}a" in said
    assert "m7a.large" in said
    assert "m7g.large" not in said, "another processor than the images'"
    assert "--set 'nodeInstanceTypes=[" in said


def test_an_instance_type_with_another_processor_than_the_images(account: Account) -> None:
    said = _refused(account, "--set", 'nodeInstanceTypes=["m7g.large"]')
    assert "m7g.large has another processor (arm64) than the images (x86_64)" in said
    assert "m7i.large" in said
    assert "--set 'nodeInstanceTypes=[" in said


def test_a_region_that_does_not_exist(account: Account) -> None:
    done = account.run(account.environment, "--region", "eu-north1", "--yes")
    assert done.returncode == 2
    assert 'There is no AWS region "eu-north1"' in done.stderr
    assert "eu-north-1" in done.stderr


def test_an_environment_does_not_move_to_another_region_or_account(account: Account) -> None:
    account.config_file.write_text("config:\n  aws:region: eu-west-1\n")
    done = account.bootstrap()
    assert done.returncode == 2
    assert f'"{account.environment}" is in eu-west-1, not in eu-north-1' in done.stderr
    account.config_file.write_text('config:\n  aws:allowedAccountIds: ["123456789012"]\n')
    done = account.bootstrap()
    assert done.returncode == 2
    assert "is in another account" in done.stderr
    assert "123456789012" in done.stderr
    assert not account.has_bucket()


def test_a_configuration_of_another_key_is_not_taken_over(account: Account) -> None:
    account.config_file.write_text("encryptionsalt: v1:abc\n")
    done = account.bootstrap()
    assert done.returncode == 2
    assert "belongs to another stack" in done.stderr
    assert account.config_file.read_text() == "encryptionsalt: v1:abc\n"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "There are no AWS credentials"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "AWS does not know these credentials"),
        ({"AWS_PROFILE": "nobody"}, 'There is no AWS profile "nobody"'),
        ({"PULUMI_BACKEND_URL": "file:///tmp"}, "PULUMI_BACKEND_URL sends Pulumi to file:///tmp"),
    ],
)
def test_credentials_and_logins_that_will_not_do(
    account: Account, variables: dict[str, str], says: str
) -> None:
    assert says in _refused(account, **variables)


def test_nothing_is_made_before_somebody_says_that_it_is_the_right_account(
    account: Account,
) -> None:
    done = account.run(account.environment, "--region", account.region)
    assert done.returncode == 2
    assert "account 000000000000" in done.stderr
    assert "run the command with --yes" in done.stderr
    assert not account.has_bucket()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sandbox", "--region", "eu-north-1"), "environment on this machine"),
        (("dev", "--sandbox"), "environment on AWS"),
        (("dev",), "Which region?"),
        (("dev", "--region", "eu-north-1", "--empty-bucket"), "goes with --remove"),
        (("dev", "--region", "eu-north-1", "--set", "nodeMax=x"), "whole number"),
        (("dev", "--region", "eu-north-1", "--set", "fernetKey=x"), '"fernetKey" is a secret'),
        (("dev", "--region", "eu-north-1", "--set", "nodeMax"), "KEY=VALUE"),
    ],
)
def test_options_that_do_not_go_together(
    account: Account, arguments: tuple[str, ...], says: str
) -> None:
    done = account.run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
