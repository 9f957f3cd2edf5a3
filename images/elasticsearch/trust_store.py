"""Write the certificates of a PEM bundle as Java's own kind of trust store: trust_store.py BUNDLE STORE.

Java reads no PEM, and its tool takes half a second for each certificate. The format is that of `JKS`: a header, the
certificates, and a SHA-1 over all of it with the password, which protects nothing here: authorities are public.
"""

import base64
import hashlib
import re
import struct
import sys
from pathlib import Path

PASSWORD = "changeit"
_MAGIC, _VERSION, _CERTIFICATE = 0xFEEDFEED, 2, 2
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def _text(word: str) -> bytes:
    return struct.pack(">H", len(word)) + word.encode()


def trust_store(bundle: str) -> bytes:
    """The store's bytes."""
    certificates = [base64.b64decode(found) for found in _PEM.findall(bundle)]
    store = struct.pack(">III", _MAGIC, _VERSION, len(certificates))
    for number, certificate in enumerate(certificates):
        store += struct.pack(">I", _CERTIFICATE) + _text(str(number)) + struct.pack(">Q", 0)
        store += _text("X.509") + struct.pack(">I", len(certificate)) + certificate
    digest = hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + store)
    return store + digest.digest()


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(trust_store(Path(sys.argv[1]).read_text()))
