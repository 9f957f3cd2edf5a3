"""The users of an Elasticsearch, as files that it reads itself: who they are, their passwords, what they may.

`writer` may add lines, `reader` read those of every environment, `keeper` prepare and delete indices; each
environment has a reader of its own lines. There is no administrator: nobody needs one.
"""

import hashlib
import hmac
import json
import secrets
import sys
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

WRITER, READER, KEEPER = "writer", "reader", "keeper"

ROUNDS = 10000


def reader_of(environment: str) -> str:
    """The user who reads the lines of one environment."""
    return f"{READER}-{environment}"


def password_of(user: str, reader_password: str) -> str:
    """That of an environment's reader: it follows from the reader's of all, and tells nothing about it."""
    return hmac.new(reader_password.encode(), user.encode(), hashlib.sha256).hexdigest()


def roles(index: str, environments: list[str]) -> dict[str, object]:
    """By the names of their users. No environment's name has a dot, so none begins like another's indices."""

    def on(names: str, *privileges: str) -> list[dict[str, list[str]]]:
        return [{"names": [names], "privileges": list(privileges)}]

    found: dict[str, object] = {
        WRITER: {"indices": on(f"{index}.*", "create_doc", "create_index")},
        READER: {"indices": on(f"{index}.*", "read", "view_index_metadata")},
        KEEPER: {
            "cluster": ["monitor", "manage_index_templates"],
            "indices": on(f"{index}.*", "manage"),
        },
    }
    for one in environments:
        found[reader_of(one)] = {
            "indices": on(f"{index}.{one}.*", "read", "view_index_metadata"),
        }
    return found


def hashed(password: str) -> str:
    """As Elasticsearch's own `elasticsearch-users` writes it."""
    salt = secrets.token_bytes(32)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, dklen=32)
    return f"{{PBKDF2}}{ROUNDS}${b64encode(salt).decode()}${b64encode(key).decode()}"


def write_users(
    folder: Path, index: str, passwords: Mapping[str, str], environments: list[str]
) -> None:
    """All of them. The server notices within seconds; roles come first, so that no user has none."""
    users = dict(passwords)
    for one in environments:
        user = reader_of(one)
        users[user] = password_of(user, passwords[READER])
    # JSON is YAML, too.
    defined = roles(index, environments)
    lines = [f"{name}: {json.dumps(rights)}" for name, rights in defined.items()]
    _write(folder / "roles.yml", lines)
    _write(folder / "users_roles", [f"{name}:{name}" for name in users])
    _write(folder / "users", [f"{name}:{hashed(word)}" for name, word in users.items()])


def say(text: str) -> None:
    """To the container's log."""
    sys.stdout.write(f"{text}\n")


def _write(path: Path, lines: list[str]) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.write_text("".join(f"{line}\n" for line in lines))
    beside.replace(path)
