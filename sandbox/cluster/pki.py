"""The certificates of one sandbox: its own authority, and one pair for each program.

Comes first in `up`. What is there and fits is kept, so that a second `up` changes nothing.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox import files
from sandbox.aws.manifests import POD_IDENTITY_USER
from sandbox.cluster.addons import DNS_USER, POLICIES_USER, PROVISIONER_USER
from sandbox.instance import SERVICE_CIDR
from sandbox.layout import Layout

_LIFETIME = datetime.timedelta(days=3650)

API_SERVICE_ADDRESS = str(ipaddress.ip_network(SERVICE_CIDR)[1])
"""The address of the Service `kubernetes`: always the first of the range."""


@dataclass(frozen=True)
class Leaf:
    """One certificate to issue. With `hosts` it is also a server's."""

    name: str
    common_name: str
    organization: str = ""
    hosts: Sequence[str] = ()


def leaves(layout: Layout) -> list[Leaf]:
    """The certificates to issue, under the names that Kubernetes knows their owners by."""
    node = layout.instance.node_address
    local = ("localhost", "127.0.0.1")
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    api = (*local, node, API_SERVICE_ADDRESS, *service, "kubernetes.default.svc.cluster.local")
    kubelet = f"system:node:{layout.node_name}"
    return [
        Leaf("apiserver", "kube-apiserver", hosts=api),
        Leaf("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        Leaf("kubelet", kubelet, "system:nodes", hosts=(*local, node, layout.node_name)),
        Leaf("controller-manager", "system:kube-controller-manager"),
        Leaf("scheduler", "system:kube-scheduler"),
        Leaf("proxy", "system:kube-proxy"),
        Leaf("coredns", DNS_USER),
        Leaf("provisioner", PROVISIONER_USER),
        Leaf("pod-identity", POD_IDENTITY_USER),
        Leaf("network-policies", POLICIES_USER),
        Leaf("webhook", "pod-identity-webhook", hosts=local),
        Leaf("admin", "kubernetes-admin", "system:masters"),
    ]


def ensure(layout: Layout) -> None:
    """Make whatever of the certificates and keys is missing."""
    layout.instance.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _ensure_authority(layout)
    for leaf in leaves(layout):
        if not _present(layout, leaf.name):
            _issue(layout, leaf, authority)
    if not layout.key("service-accounts").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        files.write(layout.instance.pki / "service-accounts.pub", _public_pem(key))
        _write_key(layout.key("service-accounts"), key)


def _present(layout: Layout, name: str) -> bool:
    # The key is written last, so it proves that the certificate is there too.
    return layout.certificate(name).exists() and layout.key(name).exists()


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _ensure_authority(layout: Layout) -> _Authority:
    if _present(layout, "ca"):
        certificate = x509.load_pem_x509_certificate(layout.certificate("ca").read_bytes())
        key = serialization.load_pem_private_key(layout.key("ca").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{layout.key('ca')} is not an EC key")
        return _Authority(certificate, key)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("aerodrome-ca", "")
    certificate = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    # A new authority makes every older certificate worthless.
    for old in layout.instance.pki.glob("*.key"):
        old.unlink()
    _write_certificate(layout.certificate("ca"), certificate)
    _write_key(layout.key("ca"), key)
    return _Authority(certificate, key)


def _issue(layout: Layout, leaf: Leaf, authority: _Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if leaf.hosts:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    subject = _name(leaf.common_name, leaf.organization)
    issuer_key = authority.key.public_key()
    builder = (
        _builder(subject, authority.certificate.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
    )
    if leaf.hosts:
        names = [_host(host) for host in leaf.hosts]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    _write_certificate(layout.certificate(leaf.name), certificate)
    _write_key(layout.key(leaf.name), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    # An hour back: a virtual machine's clock may be set back a little after a start.
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
    )


def _name(common_name: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    files.write(path, certificate.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files.write(path, pem, mode=0o600)


def _public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
