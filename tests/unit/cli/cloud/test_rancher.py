"""Rancher's API as the kit asks it: pages, another try, refusals, and where the token may go."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.cloud.rancher import Rancher, Unanswered
from tests.played_rancher import TOKEN, PlayedRancher, playing


@pytest.fixture
def played() -> Iterator[PlayedRancher]:
    with playing() as running:
        yield running


def asking(played: PlayedRancher, **variables: str) -> Rancher:
    return Rancher(played.url, TOKEN, variables, pause=0.01)


def test_every_page_is_read_and_no_other_host_is_asked(played: PlayedRancher) -> None:
    # The links of the pages name a host that does not exist.
    played.page = 2
    for number in range(5):
        played.add(f"c-{number}", f"cluster-{number}", "cc")
    with asking(played) as rancher:
        found = [item["id"] for item in rancher.clusters()]
    assert found == [f"c-{number}" for number in range(5)]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_passes_is_asked_again(status: int, played: PlayedRancher) -> None:
    played.refuses = [("GET /v3/clusters", status)] * 3
    with asking(played) as rancher:
        assert rancher.clusters() == []
    assert len(played.asked) == 4


def test_what_lasts_is_told(played: PlayedRancher) -> None:
    played.broken = 503
    with asking(played) as rancher, pytest.raises(Unanswered) as caught:
        rancher.clusters()
    assert caught.value.status == 503
    assert "the server is not ready" in caught.value.detail


def test_nothing_is_made_twice_because_an_answer_was_lost(played: PlayedRancher) -> None:
    played.refuses = [("POST /v3/clusters", 502)] * 2
    with asking(played) as rancher, pytest.raises(Unanswered):
        rancher.create_cluster({"name": "one"})
    assert played.asked == ["POST /v3/clusters"]


@pytest.mark.parametrize(("status", "tries"), [(401, 1), (403, 1), (409, 1)])
def test_a_refusal_is_no_reason_to_ask_again(
    status: int, tries: int, played: PlayedRancher
) -> None:
    played.refuses = [("GET /v3/clusters", status)] * 9
    with asking(played) as rancher, pytest.raises(Unanswered) as caught:
        rancher.clusters()
    assert caught.value.status == status
    assert len(played.asked) == tries


def test_a_login_page_is_no_answer(played: PlayedRancher) -> None:
    played.settings["server-url"] = "https://rancher.example.com"
    played.answer = lambda *_: (200, "<html>log in</html>")  # type: ignore[method-assign]  # a proxy in its place
    with asking(played) as rancher, pytest.raises(Unanswered, match="not Rancher's API"):
        rancher.clusters()


def test_the_registration_is_a_secret_in_errors_too(played: PlayedRancher) -> None:
    registration = {"token": "sesame", "clusterId": "c-1"}
    with asking(played) as rancher, pytest.raises(Unanswered) as caught:
        rancher.manifest(registration)
    assert caught.value.status == 404
    assert "sesame" not in str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_named_with_its_remedy(
    played: PlayedRancher, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    played.server.socket = context.wrap_socket(played.server.socket, server_side=True)
    url = played.url.replace("http:", "https:")
    with Rancher(url, TOKEN, {}, pause=5.0) as rancher, pytest.raises(Unanswered) as caught:
        # With a pause of 5 seconds the test would see another try.
        rancher.clusters()
    assert "its certificate is not trusted" in caught.value.summary
    assert "RANCHER_CA_CERTS" in caught.value.command
    trusted = {"RANCHER_CA_CERTS": certificate.read_text()}
    with Rancher(url, TOKEN, trusted) as rancher:
        assert rancher.clusters() == []


def test_an_authority_that_is_none_is_told(played: PlayedRancher) -> None:
    with pytest.raises(Unanswered, match="RANCHER_CA_CERTS has no certificate"):
        asking(played, RANCHER_CA_CERTS="/etc/ssl/rancher.pem")
