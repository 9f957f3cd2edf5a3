"""Certificates for the tests: an authority of one's own, one below it, and servers', good and bad."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Own:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self, passphrase: str = "") -> str:
        hidden: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            hidden = serialization.BestAvailableEncryption(passphrase.encode())
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, hidden).decode()


def authority(name: str, by: Own | None = None) -> Own:
    """One of one's own, or one below another."""
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return _signed(name, by, [(constraints, True)], days=3650.0)


def server(host: str, by: Own, *, days: float = 90.0, from_days: float = -1.0) -> Own:
    """One that ends in so many days."""
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    constraints = x509.BasicConstraints(ca=False, path_length=None)
    more: list[tuple[x509.ExtensionType, bool]] = [(names, False), (constraints, True)]
    return _signed(host, by, more, days=days, from_days=min(from_days, days - 1))


def _signed(
    name: str,
    by: Own | None,
    extensions: list[tuple[x509.ExtensionType, bool]],
    *,
    days: float,
    from_days: float = -1.0,
) -> Own:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=from_days))
        .not_valid_after(now + timedelta(days=days))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Own(builder.sign(by.key if by else key, hashes.SHA256()), key)
