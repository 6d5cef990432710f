"""Certificates from the channel's options, the session, and the environment."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Callable

import pytest
import requests
import trustme
import urllib3
from helpers.scripted import OCTETS, ScriptedServer, http

import livekit_connector_sync as lk

from .calls import OK, refused, works

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]


@pytest.fixture
def mutual_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def client_cert(authority: trustme.CA, tmp_path: Path) -> tuple[str, str]:
    certificate = authority.issue_cert("client@example.com")
    chain, key = tmp_path / "client.pem", tmp_path / "client.key"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    return str(chain), str(key)


@pytest.fixture
def other_bundle(tmp_path: Path) -> str:
    path = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


@pytest.mark.parametrize("users", [False, True])
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_bundle_of_the_environment(
    serve: Serve,
    dial: Dial,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
    monkeypatch: pytest.MonkeyPatch,
    users: bool,
    name: str,
) -> None:
    server = serve(OK, tls=server_tls)
    with requests.Session() as session:
        stub = dial(server.url, session=session if users else None)
        assert not refused(stub).maybe_sent
        monkeypatch.setenv(name, ca_bundle)
        works(stub)
        monkeypatch.delenv(name)
        assert not refused(stub).maybe_sent


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_default_bundle_of_openssl(
    serve: Serve,
    dial: Dial,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    server = serve(OK, tls=server_tls)
    monkeypatch.setenv(name, str(tmp_path / "nowhere"))  # OpenSSL ignores what does not exist
    assert "certificate verify failed" in str(refused(dial(server.url)))
    if name == "SSL_CERT_FILE":
        monkeypatch.setenv(name, ca_bundle)
        works(dial(server.url))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())
        assert "certificate verify failed" in str(refused(dial(server.url)))


WAYS = (
    *("verify", "session", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"),
    "SSL_CERT_DIR",
)


@pytest.mark.parametrize(
    ("way", "users"),
    [(way, users) for way in WAYS for users in (False, True) if users or way != "session"],
)
def test_which_of_the_ways_to_give_a_ca_wins(
    serve: Serve,
    dial: Dial,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
    other_bundle: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    users: bool,
    way: str,
) -> None:
    """The right CA is given in one way, and another one in all the ways that come after it."""
    load = ssl.SSLContext.load_verify_locations
    directory = str(tmp_path / "hashed")
    (tmp_path / "hashed").mkdir()

    def load_from_directory(self: Any, cafile: Any = None, capath: Any = None, **rest: Any) -> None:
        # The names of its files would have to be hashes, which only OpenSSL's program computes.
        load(self, ca_bundle if capath == directory else cafile, **rest)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load_from_directory)
    options: dict[str, Any] = {}
    with requests.Session() as session:
        if users:
            options["session"] = session
        right = directory if way == "SSL_CERT_DIR" else ca_bundle
        for each in WAYS[WAYS.index(way) :]:
            bundle = right if each == way else other_bundle
            if each == "verify":
                options["verify"] = bundle
            elif each == "session":
                session.verify = bundle if users else True
            else:
                monkeypatch.setenv(each, bundle)
        works(dial(serve(OK, tls=server_tls).url, **options))


@pytest.mark.parametrize("users", [False, True])
@pytest.mark.parametrize("broken", [False, True])
def test_the_channels_bundle_overrides_others(
    serve: Serve,
    dial: Dial,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
    other_bundle: str,
    monkeypatch: pytest.MonkeyPatch,
    users: bool,
    broken: bool,
) -> None:
    server = serve(OK, tls=server_tls)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/at/all" if broken else other_bundle)
    with requests.Session() as session:
        session.verify = other_bundle
        works(dial(server.url, session=session if users else None, verify=ca_bundle))
        works(dial(server.url, session=session if users else None, verify=Path(ca_bundle)))
        assert not refused(dial(server.url, verify=True)).maybe_sent


def test_the_sessions_bundle_overrides_the_environments(
    serve: Serve,
    dial: Dial,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
    other_bundle: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(OK, tls=server_tls)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", other_bundle)
    with requests.Session() as session:
        session.verify = ca_bundle
        works(dial(server.url, session=session))


@pytest.mark.parametrize("whose", ["channel", "session"])
def test_no_verification(serve: Serve, dial: Dial, server_tls: ssl.SSLContext, whose: str) -> None:
    server = serve(OK, tls=server_tls)
    with requests.Session() as session:
        if whose == "session":
            session.verify = False
            stub = dial(server.url, session=session)
        else:
            stub = dial(server.url, verify=False)
        for _ in range(2):
            with pytest.warns(urllib3.exceptions.InsecureRequestWarning, match="localhost"):
                works(stub)


def test_a_new_channel_loads_a_renewed_bundle(
    serve: Serve,
    dial: Dial,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
    other_bundle: str,
    tmp_path: Path,
) -> None:
    server = serve(OK, tls=server_tls)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(Path(other_bundle).read_bytes())
    refused(dial(server.url, verify=bundle))
    bundle.write_bytes(Path(ca_bundle).read_bytes())
    works(dial(server.url, verify=bundle))


@pytest.mark.parametrize("whose", ["own session", "users session", "session's own"])
def test_client_certificates(
    serve: Serve,
    dial: Dial,
    mutual_tls: ssl.SSLContext,
    ca_bundle: str,
    client_cert: tuple[str, str],
    whose: str,
) -> None:
    server = serve(OK, tls=mutual_tls)
    with requests.Session() as session:
        options: dict[str, Any] = {"verify": ca_bundle, "cert": client_cert}
        if whose != "own session":
            options["session"] = session
        if whose == "session's own":
            session.cert = options.pop("cert")
        works(dial(server.url, **options))
        # In TLS 1.3 the server refuses once the client has sent its request already.
        error = refused(dial(server.url, verify=ca_bundle))
        assert type(error) is lk.Unavailable
    assert len(server.requests) == 1


def test_bad_paths_are_rejected_at_construction(
    dial: Dial, tmp_path: Path, ca_bundle: str, client_cert: tuple[str, str]
) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    nowhere = str(tmp_path / "nowhere.pem")
    for verify in (nowhere, str(garbage), Path(nowhere), "", client_cert[1]):
        with pytest.raises(ValueError, match="verify="):
            dial("https://x.example", verify=verify)
    for cert in (nowhere, str(garbage), (client_cert[0], nowhere), (ca_bundle, client_cert[1]), ()):
        with pytest.raises(ValueError, match="cert="):
            dial("https://x.example", cert=cert)


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize("users", [False, True])
def test_bad_paths_elsewhere_fail_the_call(
    serve: Serve,
    dial: Dial,
    server_tls: ssl.SSLContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: Any,
    users: bool,
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    server = serve(OK, tls=server_tls)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with requests.Session() as session:
        error = refused(dial(server.url, session=session if users else None))
        assert type(error) is lk.Unavailable
        assert error.maybe_sent is False
        if content is None or not users:
            assert str(path) in str(error)
            assert "REQUESTS_CA_BUNDLE" in str(error)
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        session.cert = str(path)
        error = refused(dial(server.url, session=session))
        assert type(error) is lk.Unavailable
        assert error.maybe_sent is False


def test_bytes_after_the_response_in_the_tls_buffers(
    serve: Serve, dial: Dial, server_tls: ssl.SSLContext, ca_bundle: str
) -> None:
    """One TLS record holds the response and, after 8 KiB, an unrequested second one."""
    message = lk.DialWhatsAppCallResponse(room_name="r")
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {OCTETS}\r\nContent-Length: 3\r\nX: ".encode()
    first = head + b"y" * (8192 - len(head) - 7) + b"\r\n\r\n" + message.SerializeToString()
    assert len(first) == 8192
    unasked = http(lk.DialWhatsAppCallResponse(room_name="wrong").SerializeToString())
    server = serve(first + unasked, OK, tls=server_tls)
    stub = dial(server.url, verify=ca_bundle)
    assert stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest()) == message
    works(stub)
    assert server.connections == 2


def test_a_new_channel_loads_renewed_files(
    serve: Serve,
    dial: Dial,
    authority: trustme.CA,
    mutual_tls: ssl.SSLContext,
    ca_bundle: str,
    client_cert: tuple[str, str],
) -> None:
    serials = []
    note = serials.append
    server = serve([lambda sock: note(sock.getpeercert()["serialNumber"]), OK], tls=mutual_tls)
    works(dial(server.url, verify=ca_bundle, cert=list(client_cert)))
    renewed = authority.issue_cert("client@example.com")
    renewed.cert_chain_pems[0].write_to_path(client_cert[0])
    renewed.private_key_pem.write_to_path(client_cert[1])
    works(dial(server.url, verify=ca_bundle, cert=client_cert))
    assert len(set(serials)) == 2


def test_a_tls_context_is_created_once(
    serve: Serve,
    dial: Dial,
    server_tls: ssl.SSLContext,
    ca_bundle: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    load = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(
        ssl.SSLContext,
        "load_verify_locations",
        lambda *args, **kwargs: made.append(1) or load(*args, **kwargs),
    )
    server = serve(http(b"\x0a\x01x", headers=["Connection: close"]), tls=server_tls)
    stub = dial(server.url, verify=ca_bundle)
    for _ in range(3):
        stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest())
    assert server.connections == 3
    assert len(made) <= 1
    assert socket.getdefaulttimeout() is None
