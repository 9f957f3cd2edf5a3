"""The registry's process, and the configuration with which programs on the host use it."""

from sandbox import files
from sandbox.instance import ACCOUNT_ID, REGION, REGISTRY_PORT, Instance
from sandbox.layout import Layout
from sandbox.process import Process, Ready
from sandbox.tools import tool

_STANDS_IN_FOR = ("docker.io", f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com")


def write_files(instance: Instance) -> None:
    layout = Layout(instance)
    files.write_json(layout.config / "registry.json", _config(layout))
    files.write(layout.registries_config, _registries_config(instance))


def process(instance: Instance) -> Process:
    """Plain HTTP and no password: only the sandbox's own networks reach it."""
    layout = Layout(instance)
    argv = [str(tool("docker-registry")), "serve", str(layout.config / "registry.json")]
    return Process("registry", argv, ready=Ready(f"http://127.0.0.1:{REGISTRY_PORT}/v2/"))


def _config(layout: Layout) -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(layout.registry)},
            "cache": {"blobdescriptor": "inmemory"},
            "delete": {"enabled": True},
        },
        "http": {"addr": f":{REGISTRY_PORT}"},
    }


def _registries_config(instance: Instance) -> str:
    """containers-registries.conf: the names that images bear lead to the sandbox."""
    own = f'[[registry]]\nlocation = "{instance.registry}"\ninsecure = true\n'
    others = [
        f'[[registry]]\nprefix = "{name}"\nlocation = "{instance.registry}"\ninsecure = true\n'
        for name in _STANDS_IN_FOR
    ]
    return "\n".join(['short-name-mode = "disabled"\n', own, *others])
