"""Who is not talked to over TLS, unless that is asked for: by certificate, by name, by what is spoken, by its end."""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dockerwire import Client, ConnectError, InsecureWarning, TLSConfig, TransportError, Truncated
from dockerwire.drivers.connection import refused
from dockerwire.wire.host import parse_host
from tests.support.exchanges import whole
from tests.support.peers import Peer, Script, Talk, answers, ok
from tests.support.tls import Certificates, TlsTalk, over_tls, server_context
from tests.support.worlds import World, scenario

SERVER_AUTH = "extendedKeyUsage=serverAuth"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def weak(pair: Any) -> ssl.SSLContext:
    """A server's context that knows no shame."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(pair.cert, pair.key)
    return context


def old(certificates: Certificates) -> ssl.SSLContext:
    context = weak(certificates.server)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def with_nul(name: bytes) -> str:
    """A subjectAltName of one DNS name, in DER, for that can hold anything."""
    entry = bytes((0x82, len(name))) + name
    return f"subjectAltName=DER:{(bytes((0x30, len(entry))) + entry).hex(':')}"


def checking(certificates: Certificates, revoked: Path | None = None) -> ssl.SSLContext:
    """A server's context that wants a certificate of its clients, which is not on the list."""
    context = server_context(certificates.server, None, certificates.ca)
    if revoked is not None:
        context.load_verify_locations(revoked)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


class Case(NamedTuple):
    """`peer` is a context, or a script, of these certificates; `why` is in the message, `reason` in the error."""

    peer: Callable[[Certificates], ssl.SSLContext | Script]
    reason: str
    why: str
    name: str | None = None
    client: Callable[[Certificates], Any] = lambda _: None


def odd(name: str, *extensions: str, **settings: Any) -> Callable[[Certificates], ssl.SSLContext]:
    made: dict[Certificates, Any] = {}

    def context(certificates: Certificates) -> ssl.SSLContext:
        if certificates not in made:
            made[certificates] = certificates.odd_server(name, *extensions, **settings)
        return weak(made[certificates])

    return context


def plain(_: Certificates) -> Script:
    def script(talk: Talk) -> None:
        talk.sock.recv(1 << 16)
        talk.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request")

    return script


CASES: dict[str, Case] = {
    "expired": Case(lambda c: server_context(c.expired_server), "certificate-expired", "has expired"),
    "not yet valid": Case(odd("early", years=(2048, 2049)), "certificate-not-yet-valid", "not valid yet"),
    "another host": Case(
        odd("ip-only", "subjectAltName=IP:127.0.0.1,DNS:engine.example", SERVER_AUTH),
        "certificate-name",
        "'localhost'",
        name="localhost",
    ),
    "another IP": Case(
        odd("name-only", "subjectAltName=IP:127.0.0.2,DNS:localhost,DNS:127.0.0.1", SERVER_AUTH),
        "certificate-name",
        "'127.0.0.1'",
    ),
    "only a common name": Case(
        odd("cn-only", SERVER_AUTH, common_name="localhost"), "certificate-name", "'localhost'", name="localhost"
    ),
    "another CA": Case(lambda c: server_context(c.foreign_server), "certificate-unknown", "issuer"),
    "self-signed": Case(lambda c: server_context(c.self_signed), "certificate-unknown", "self.signed"),
    "a client's": Case(
        odd("wrong-use", "subjectAltName=IP:127.0.0.1", "extendedKeyUsage=clientAuth"), "certificate-unknown", "purpose"
    ),
    "no client certificate": Case(checking, "client-certificate", "wants a client certificate"),
    "a revoked client": Case(
        lambda c: checking(c, c.revoked_client[1]),
        "client-certificate",
        "certificate revoked",
        client=lambda c: c.revoked_client[0],
    ),
    "SHA-1": Case(odd("sha1", digest="sha1"), "certificate-unknown", "digest algorithm too weak"),
    "1024 bits": Case(odd("small", kind=("rsa:1024",)), "certificate-unknown", "key too weak"),
    "TLS 1.1": Case(old, "tls", "version"),
    "plain HTTP": Case(plain, "plain", "no TLS is spoken there"),
    "a name with NUL": Case(
        odd("nul", with_nul(b"localhost\0.evil.example"), SERVER_AUTH), "certificate-name", "'localhost'", "localhost"
    ),
}


def peer_of(case: Case, certificates: Certificates) -> Peer:
    made = case.peer(certificates)
    return Peer(over_tls(made, answers(ok())) if isinstance(made, ssl.SSLContext) else made, tcp=True)


@pytest.mark.parametrize("name", CASES)
@scenario
async def test_refused(world: World, certificates: Certificates, name: str) -> None:
    case = CASES[name]
    own = case.client(certificates)
    config = TLSConfig(ca=certificates.ca, cert=own and own.cert, key=own and own.key, server_hostname=case.name)
    with peer_of(case, certificates) as peer:
        async with world.client(peer.host, tls=config, version="1.44") as client:
            with pytest.raises(TransportError) as error:
                await client.send(whole())
            assert not client._core._busy
    assert isinstance(error.value, ConnectError), error.value
    assert error.value.reason == case.reason, error.value
    assert re.search(case.why, str(error.value)), str(error.value)
    assert peer.requests == []


@pytest.mark.parametrize(
    ("reason", "names"),
    [
        ("plain", "WRONG_VERSION_NUMBER HTTP_REQUEST PACKET_LENGTH_TOO_LONG RECORD_LAYER_FAILURE UNKNOWN_PROTOCOL"),
        (
            "client-certificate",
            (
                "TLSV13_ALERT_CERTIFICATE_REQUIRED SSLV3_ALERT_BAD_CERTIFICATE SSLV3_ALERT_UNSUPPORTED_CERTIFICATE "
                "SSLV3_ALERT_CERTIFICATE_REVOKED SSLV3_ALERT_CERTIFICATE_UNKNOWN SSLV3_ALERT_HANDSHAKE_FAILURE "
                "TLSV1_ALERT_UNKNOWN_CA SSLV3_ALERT_CERTIFICATE_EXPIRED"
            ),
        ),
        ("tls", "UNKNOWN_CA TLSV1_ALERT_INTERNAL_ERROR NO_SHARED_CIPHER"),
    ],
)
def test_what_other_openssls_say(reason: str, names: str) -> None:
    for name in names.split():
        error = ssl.SSLError(1, "of OpenSSL")
        error.reason = name
        assert refused(parse_host("tcp://engine:2376"), error).reason == reason, name


@scenario
async def test_a_cut(world: World, certificates: Certificates) -> None:
    """The sixteenth: an answer to the end of the connection, whose end is not TLS's own."""

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        talk.tls.raw.close()

    with Peer(over_tls(server_context(certificates.server), script), tcp=True) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            with pytest.raises((TransportError, Truncated)):
                await client.send(whole())


def test_the_good_one_is_not_refused(certificates: Certificates) -> None:
    """By the same means, so that what is refused above is refused for what its name says."""
    for peer in (
        odd("good"),
        odd("good-rsa", kind=("rsa:2048",)),
        checking,
        lambda c: checking(c, c.revoked_client[1]),
    ):
        with (
            Peer(over_tls(peer(certificates), answers(ok(b"x"))), tcp=True) as one,
            Client(
                one.host,
                tls=TLSConfig(ca=certificates.ca, cert=certificates.client.cert, key=certificates.client.key),
                version="1.44",
            ) as client,
        ):
            assert client.send(whole()) == b"x"


def test_how_strict_we_are() -> None:
    """Level 2 refuses what has less than 112 bits of security, whatever OpenSSL was built or told to do."""
    context = TLSConfig().context()
    assert getattr(context, "security_level", 2) >= 2  # which PyPy does not tell
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


# --- what is warned of -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True], ids=["TLSConfig", "SSLContext"])
@scenario
async def test_no_look_at_the_certificate_is_warned_of(world: World, certificates: Certificates, own: bool) -> None:
    """Once for each client, at its first connection; made an error, it comes before anything is said."""
    tls: Any = TLSConfig(verify=False)
    if own:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with Peer(over_tls(server_context(certificates.self_signed), answers(ok())), tcp=True) as peer:
        for _ in range(2):
            async with world.client(peer.host, tls=tls, version="1.44", max_idle=0) as client:
                with warnings.catch_warnings(record=True) as found:
                    warnings.simplefilter("always")
                    for _ in range(3):
                        await client.send(whole())
                assert [one.category for one in found] == [InsecureWarning]
                assert str(found[0].message) == f"the certificate of {peer.host} (host=) is not looked at"
        assert peer.connections == 6
        async with world.client(peer.host, tls=tls, version="1.44") as client:
            with warnings.catch_warnings():
                warnings.simplefilter("error", InsecureWarning)
                for _ in range(2):
                    with pytest.raises(InsecureWarning):
                        await client.send(whole())
        assert peer.connections == 6
