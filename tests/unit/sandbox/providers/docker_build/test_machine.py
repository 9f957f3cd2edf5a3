"""What of the machine a build may see."""

from pathlib import Path

from sandbox.providers.docker_build.machine import Mount, mounts


def test_a_plain_machine_gives_its_certificates_only(tmp_path: Path) -> None:
    found = mounts(tmp_path, pip_files=(), uv_files=(), environment={})
    assert [mount.target for mount in found] == ["/etc/ssl/certs"]


def test_where_pip_looks_is_passed_on(tmp_path: Path) -> None:
    config = tmp_path / "given.conf"
    config.write_text("[global]\nindex-url = https://one.example\nno-cache-dir = true\n")
    environment = {"PIP_EXTRA_INDEX_URL": "https://two.example"}
    found = mounts(tmp_path, pip_files=(config,), uv_files=(), environment=environment)
    written = {mount.target: mount.source for mount in found}["/etc/pip.conf"]
    assert written.read_text() == (
        "[global]\nindex-url = https://one.example\nextra-index-url = https://two.example\n"
    )


def test_uvs_settings_are_passed_on(tmp_path: Path) -> None:
    config = tmp_path / "uv.toml"
    config.write_text("")
    files = (tmp_path / "none", config)
    found = mounts(tmp_path, pip_files=(), uv_files=files, environment={})
    assert Mount(config, "/etc/uv/uv.toml") in list(found)
