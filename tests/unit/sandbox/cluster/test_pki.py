"""The sandbox's certificate authority and what it signs."""

import datetime
import ssl

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.cluster import pki
from sandbox.layout import Layout


def load(layout: Layout, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(layout.certificate(name).read_bytes())


def test_every_certificate_is_signed_by_the_sandboxs_own_authority(layout: Layout) -> None:
    pki.ensure(layout)
    authority = load(layout, "ca")
    for leaf in pki.leaves(layout):
        load(layout, leaf.name).verify_directly_issued_by(authority)


def test_the_api_server_is_valid_under_every_name_that_reaches_it(layout: Layout) -> None:
    pki.ensure(layout)
    extension = load(layout, "apiserver").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = [str(a) for a in extension.value.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "10.213.5.2", "10.96.0.1"]
    assert "kubernetes.default.svc" in extension.value.get_values_for_type(x509.DNSName)


def test_the_kubelet_is_known_as_its_node_and_serves_too(layout: Layout) -> None:
    pki.ensure(layout)
    certificate = load(layout, "kubelet")
    subject = {a.oid: a.value for a in certificate.subject}
    assert subject[NameOID.COMMON_NAME] == "system:node:aerodrome-trial"
    assert subject[NameOID.ORGANIZATION_NAME] == "system:nodes"
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}


def test_a_pure_client_cannot_serve(layout: Layout) -> None:
    pki.ensure(layout)
    usages = load(layout, "admin").extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert set(usages.value) == {ExtendedKeyUsageOID.CLIENT_AUTH}


def test_keys_are_for_root_alone(layout: Layout) -> None:
    pki.ensure(layout)
    keys = list(layout.instance.pki.glob("*.key"))
    assert len(keys) == len(pki.leaves(layout)) + 2
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert layout.instance.pki.stat().st_mode & 0o777 == 0o700


def test_a_second_time_changes_nothing(layout: Layout) -> None:
    pki.ensure(layout)
    before = {path.name: path.read_bytes() for path in layout.instance.pki.iterdir()}
    pki.ensure(layout)
    assert {path.name: path.read_bytes() for path in layout.instance.pki.iterdir()} == before


def test_what_a_killed_start_did_not_write_is_made_up_for(layout: Layout) -> None:
    pki.ensure(layout)
    authority = layout.certificate("ca").read_bytes()
    layout.key("scheduler").unlink()
    pki.ensure(layout)
    assert layout.certificate("ca").read_bytes() == authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(layout.certificate("scheduler"), layout.key("scheduler"))


def test_a_new_authority_replaces_all_that_the_lost_one_signed(layout: Layout) -> None:
    pki.ensure(layout)
    layout.key("ca").unlink()
    pki.ensure(layout)
    for leaf in pki.leaves(layout):
        load(layout, leaf.name).verify_directly_issued_by(load(layout, "ca"))


def test_certificates_outlive_any_sandbox(layout: Layout) -> None:
    pki.ensure(layout)
    now = datetime.datetime.now(datetime.UTC)
    certificate = load(layout, "apiserver")
    assert certificate.not_valid_before_utc < now
    assert certificate.not_valid_after_utc > now + datetime.timedelta(days=3000)
