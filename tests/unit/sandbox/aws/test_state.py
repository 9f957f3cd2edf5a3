"""What was answered is on disk, however the emulator ends."""

import stat

PODS = "pods.eks.amazonaws.com"


def test_everything_is_there_after_a_kill(own_emulator):
    emulator = own_emulator
    s3, iam = emulator.client("s3"), emulator.client("iam")
    subnets = emulator.subnets()
    emulator.cluster("kept", subnets)
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="kept", Key="a/b", Body=b"content")
    user = emulator.user("kept")
    emulator.kill()
    emulator.start()
    found = emulator.client("eks").describe_cluster(name="kept")["cluster"]
    assert found["status"] == "ACTIVE"
    assert found["endpoint"] == emulator.settings.cluster_endpoint
    assert s3.get_object(Bucket="kept", Key="a/b")["Body"].read() == b"content"
    assert s3.get_bucket_versioning(Bucket="kept")["Status"] == "Enabled"
    assert len(emulator.client("ec2").describe_subnets(SubnetIds=subnets)["Subnets"]) == 2
    assert emulator.client("sts", **user).get_caller_identity()["Arn"].endswith("user/kept")
    assert iam.get_role(RoleName="kept-cluster")


def test_credentials_of_pods_outlive_a_restart(own_emulator):
    emulator = own_emulator
    emulator.cluster("c", emulator.subnets())
    role = emulator.role("r", PODS, ["sts:AssumeRole", "sts:TagSession"])
    emulator.client("eks").create_pod_identity_association(
        clusterName="c", namespace="n", serviceAccount="s", roleArn=role
    )
    emulator.kubernetes.add_pod("t", "n", "s", "p")
    found = emulator.client("eks-auth").assume_role_for_pod_identity(clusterName="c", token="t")
    key = found["credentials"]
    emulator.kill()
    emulator.start()
    client = emulator.client("sts", key["accessKeyId"], key["secretAccessKey"], key["sessionToken"])
    assert ":assumed-role/r/" in client.get_caller_identity()["Arn"]


def test_an_orderly_end_keeps_everything_too(own_emulator):
    own_emulator.client("iam").create_user(UserName="kept")
    own_emulator.process.terminate()
    assert own_emulator.process.wait(10) == 0
    own_emulator.start()
    assert own_emulator.client("iam").get_user(UserName="kept")


def test_the_state_is_for_its_owner_only(own_emulator):
    own_emulator.user("secret")
    files = list(own_emulator.settings.state.rglob("*"))
    assert any(path.name == "iam.json" for path in files)
    for path in files:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
