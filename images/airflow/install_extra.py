"""Checks and installs what the user adds to the image: the files of extra/.

The image build runs it after Airflow is installed, with the folder and Airflow's lock. Anything wrong ends the
build before anything is installed, a line for each problem. Standard library only.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

SITE_PACKAGES = "/opt/venv/lib/python3.11/site-packages"

_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

_LOCKED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==(\S+)")
_WANTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]+(=\S+)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# AIRFLOW_CONN_: a connection is a secret as a whole.
_SECRET_NAME = re.compile(
    r"AIRFLOW_CONN_.*|AIRFLOW__.*__SQL_ALCHEMY_(CONN|ENGINE_ARGS).*|(.*_)?FERNET_KEY.*"
    r"|.*(PASSWORD|PASSWD|SECRET(_KEY)?|TOKEN|CREDENTIALS?|ACCESS_KEY|API_KEY|PRIVATE_KEY)(_ID)?(_CMD)?"
)
_SECRET_VALUE = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY")

SET_BY_THE_CHART = frozenset(
    {
        "AIRFLOW_HOME",
        "AIRFLOW__API__BASE_URL",
        "AIRFLOW__API__PORT",
        "AIRFLOW__API__WORKERS",
        "AIRFLOW__CORE__AUTH_MANAGER",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE",
        "AIRFLOW__CORE__LOAD_EXAMPLES",
        "AIRFLOW__CORE__PARALLELISM",
        "AIRFLOW__DATABASE__CHECK_MIGRATIONS",
        "AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE",
        "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE",
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER",
        "AIRFLOW__LOGGING__REMOTE_LOGGING",
        "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID",
        "HOME",
        "PATH",
    }
)
"""Variables that the pods get from the chart: set here, they would do nothing."""


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that says something. A leading blank is kept: no rule allows one."""
    if path.is_file():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield number, line.rstrip()


def canonical(name: str) -> str:
    """Names of packages are compared like this (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(path: Path) -> dict[str, str]:
    """Package to version, of a lock file."""
    found = (_LOCKED.match(line) for _, line in lines(path))
    return {canonical(match[1]): match[2] for match in found if match}


def requirement_problems(folder: Path, base: Mapping[str, str]) -> Iterator[str]:
    """The lock must be one, of what is wanted, and agree with the image's own."""
    lock = folder / "requirements.txt"
    text = "\n".join(line for _, line in lines(lock)).replace("\\\n", " ")
    for line in text.splitlines():
        if not line.startswith("--") and not (_LOCKED.match(line) and "--hash=sha256:" in line):
            yield f"extra/requirements.txt: not locked with a hash: {line.split(' --hash')[0]}"
    mine = locked(lock)
    for number, line in lines(folder / "requirements.in"):
        name = _WANTED.match(line)
        if name and canonical(name[0]) not in mine:
            yield f"extra/requirements.in, line {number}: {name[0]} is not in extra/requirements.txt"
    for name, version in sorted(mine.items()):
        if base.get(name, version) != version:
            yield (
                f"extra/requirements.txt wants {name}=={version}, but the image's own requirements.txt "
                f"has {name}=={base[name]}"
            )


def package_problems(folder: Path) -> Iterator[str]:
    for number, line in lines(folder / "packages.txt"):
        if not _DEBIAN.fullmatch(line):
            yield f"extra/packages.txt, line {number}: not the name of a Debian package: {line}"


def environment_problems(folder: Path) -> Iterator[str]:
    """Values are never shown: they may be what must not be here."""
    for number, line in lines(folder / "env"):
        key, equals, value = line.partition("=")
        where = f"extra/env, line {number}"
        if not equals or not _VARIABLE.fullmatch(key):
            yield f"{where}: not KEY=value"
        elif _SECRET_NAME.fullmatch(key.upper()) or _SECRET_VALUE.search(value):
            yield f"{where}: {key} looks like a secret, which an image must not hold"
        elif key in SET_BY_THE_CHART:
            yield f"{where}: {key} is set by the chart; values and settings change it"


def install_packages(names: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    script = (
        'apt-get update && apt-get install -y --no-install-recommends "$@"'
        " && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log"
    )
    subprocess.run(["sh", "-ec", script, "sh", *names], check=True, env=environment)


def install_requirements(lock: Path) -> None:
    environment = {**os.environ, "VIRTUAL_ENV": "/opt/venv", "PYTHONNODEBUGRANGES": "1"}
    if _BUNDLE.is_file():
        # Behind a company's proxy the machine's own bundle is mounted here.
        environment |= {"SSL_CERT_FILE": str(_BUNDLE), "UV_SYSTEM_CERTS": "1"}
    uv = ["uv", "pip"]
    options = ["--no-cache", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*uv, "install", *options, "-r", str(lock)], check=True, env=environment)
    subprocess.run([*uv, "check"], check=True, env=environment)
    # Templates of code generators do not compile, so the exit code says nothing.
    compile_all = [sys.executable, "-m", "compileall", "-qq", "-j", "0", SITE_PACKAGES]
    subprocess.run(compile_all, check=False, env=environment)


def main(arguments: list[str]) -> int:
    """`install_extra.py FOLDER LOCK`."""
    folder, base = Path(arguments[0]), Path(arguments[1])
    requirements = list(requirement_problems(folder, locked(base)))
    others = [*package_problems(folder), *environment_problems(folder)]
    if requirements or others:
        hint = ["Lock again: ./aerodrome image lock"] if requirements else []
        sys.stderr.write("\n".join([*requirements, *others, *hint, ""]))
        return 1
    names = [line for _, line in lines(folder / "packages.txt")]
    try:
        if names:
            install_packages(names)
        if locked(folder / "requirements.txt"):
            install_requirements(folder / "requirements.txt")
    except subprocess.CalledProcessError as error:
        # The program has said why.
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
