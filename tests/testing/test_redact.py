"""What is no one else's business is not on a tape; everything else is, at its place."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from dockerwire import Client, RegistryAuth, api
from dockerwire.testing import Tape
from dockerwire.testing.redact import Conversation, JSONMask
from tests.support.decoding import chunks
from tests.support.exchanges import chunked
from tests.support.peers import Peer, Talk, ok

CANARY = "c4n4ry-s3same"


def masked(document: bytes, **settings: bool) -> bytes:
    return JSONMask(**settings)(document).data


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('{"a":"b"}', '{"a":"b"}'),
        ('{"Password":"x\\"y","b":"c"}', '{"Password":"****","b":"c"}'),
        ('{ "password" : [ "x" , {"a":"b"} ], "c":"d" }', '{ "password" : [ "*" , {"a":"*"} ], "c":"d" }'),
        ('{"Env":["A=b=c","D",null],"e":"f=g"}', '{"Env":["A=***","D",null],"e":"f=g"}'),
        ('{"Env":[{"Name":"A","Value":"b"}],"Value":"c"}', '{"Env":[{"Name":"A","Value":"*"}],"Value":"c"}'),
        ('{"LogConfig":{"Type":"x","Config":{"token":"y"}}}', '{"LogConfig":{"Type":"x","Config":{"token":"*"}}}'),
        ('{"Config":{"Image":"x"}}', '{"Config":{"Image":"x"}}'),
        ('[{"Auth":"x"}]\n{"b":"c"}{"auth":"d"}', '[{"Auth":"*"}]\n{"b":"c"}{"auth":"*"}'),
        ('{"a":"auth","b":"c"}', '{"a":"auth","b":"c"}'),
        ('{"Options":{"o":"password=x"},"Name":"y"}', '{"Options":{"o":"**********"},"Name":"y"}'),
        ('{"Data":"x"}', '{"Data":"x"}'),
        ('{"IdentityToken":"é"}', '{"IdentityToken":"**"}'),
        ('}]"auth":"x"{"auth":"y"}', '}]"auth":"x"{"auth":"*"}'),
    ],
)
def test_members(document: str, expected: str) -> None:
    assert masked(document.encode()) == expected.encode()
    mask = JSONMask()
    assert b"".join(mask(piece).data for piece in chunks(document.encode(), 1)) == expected.encode()


def test_everything_and_data() -> None:
    assert masked(b'{"a":["b",1],"c":null}', everything=True) == b'{"a":["*",1],"c":null}'
    assert masked(b'{"Data":"eA==","Name":"y"}', data=True) == b'{"Data":"****","Name":"y"}'


def test_nested_without_end() -> None:
    data = b"[" * 600 + b'{"a":"b"}' + b"]" * 600 + b'{"auth":"x"}'
    assert masked(data) == data.replace(b'"a":"b"', b'"*":"*"').replace(b'"auth":"x"', b'"****":"*"')


def _random_document(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(3 if depth < 4 else 1)
    if kind == 0:
        return dice.choice(["", "x", "a=b", 'quo"te\\', "é", 1, None, True])
    if kind == 1:
        return [_random_document(dice, depth + 1) for _ in range(dice.randrange(4))]
    names = ["a", "b", "Password", "auth", "Env", "Value", "LogConfig", "Config", "Options", 'x"y']
    return {name: _random_document(dice, depth + 1) for name in dice.sample(names, dice.randrange(5))}


def _expected(value: Any, mode: str = "", key: str = "") -> Any:
    """The same by way of the parsed document: what a mask leaves of its texts."""
    if isinstance(value, str):
        start = 0 if mode == "all" else value.find("=") + 1 or len(value) if mode == "env" else len(value)
        return value[:start] + "*" * len(json.dumps(value[start:], ensure_ascii=False).encode()[1:-1])
    if isinstance(value, list):
        return [_expected(one, mode, key) for one in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, one in value.items():
        secret = name in ("Password", "auth", "Options") or (mode == "env" and name == "Value")
        secret |= name == "Config" and key == "LogConfig"
        inner = "all" if mode == "all" or secret else "env" if name == "Env" else mode
        found[name] = _expected(one, inner, name)
    return found


def test_random_documents_at_random_cuts() -> None:
    dice = random.Random(1)
    for _ in range(1000):
        document = [_random_document(dice)]
        data = json.dumps(document, ensure_ascii=False).encode()
        mask, out, at = JSONMask(), b"", 0
        while at < len(data):
            size = dice.randrange(1, 20)
            out += mask(data[at : at + size]).data
            at += size
        assert len(out) == len(data)
        assert json.loads(out) == _expected(document), data


# --- whole conversations ---------------------------------------------------------------------------------------------

_SPEC: Any = {"Name": "x", "Data": base64.b64encode(CANARY.encode()).decode()}
_AUTH = RegistryAuth(username="you", password=CANARY)
_ENV = f"TOKEN={CANARY}"
SECRETS: dict[str, Any] = {
    "login": api.system_auth({"username": CANARY, "password": CANARY, "serveraddress": "x"}),
    "pull": api.image_create(from_image="x", auth=_AUTH),
    "pull by token": api.image_create(from_image="x", auth=RegistryAuth(identity_token=CANARY)),
    "push": api.image_push("x", auth=_AUTH),
    "distribution": api.distribution_inspect("x", auth=_AUTH),
    "build": api.image_build(b"", registry_config={"x": _AUTH}, buildargs={"TOKEN": CANARY}),
    "build of an address": api.image_build(remote=f"https://you:{CANARY}@example.com/x.git"),
    "a context": api.image_build(f"RUN echo {CANARY}\n".encode()),
    "a context in pieces": api.image_build(iter([CANARY.encode(), b"x" * 100_000])),
    "import of an address": api.image_create(from_src=f"https://you:{CANARY}@example.com/x"),
    "commit": api.image_commit(container="x", changes=[f"ENV {_ENV}"]),
    "container": api.container_create(
        {"Image": "x", "Env": [_ENV], "HostConfig": {"LogConfig": {"Type": "splunk", "Config": {"token": CANARY}}}}
    ),
    "exec": api.container_exec("x", {"Cmd": ["x"], "Env": [_ENV]}),
    "files": api.put_container_archive("x", CANARY.encode(), path="/"),
    "secret": api.secret_create(_SPEC),
    "config": api.config_create(_SPEC),
    "volume": api.volume_create({"Name": "x", "DriverOpts": {"o": f"username=you,password={CANARY}"}}),
    "join": api.swarm_join({"ListenAddr": "x", "RemoteAddrs": ["x"], "JoinToken": CANARY}),
    "unlock": api.swarm_unlock({"UnlockKey": CANARY}),
    "service": api.service_create({"TaskTemplate": {"ContainerSpec": {"Image": "x", "Env": [_ENV]}}}, auth=_AUTH),
}


def _forms(secret: str) -> list[bytes]:
    coded = base64.b64encode(secret.encode()).decode()
    fields = [secret, coded, coded[:16], json.dumps(secret), quote(secret, safe="")]
    fields += [base64.b64encode(b"xx"[:ahead] + secret.encode())[4:-4].decode() for ahead in (1, 2)]
    return [field.encode() for field in fields] + [field.replace("/", "_").encode() for field in fields]


def _on_tape(tape: Tape, tmp_path: Any) -> bytes:
    tape.save(tmp_path / "x.tape")
    return bytes((tmp_path / "x.tape").read_bytes())


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_sent(name: str, tmp_path: Any) -> None:
    def script(talk: Talk) -> None:
        while (asked := talk.request()) is not None:
            del asked
            talk.send(ok(b"{}", b"Content-Type: application/json"))

    def talk(redact: bool) -> tuple[bytes, Tape]:
        tape = Tape(redact=redact)
        with Peer(script) as peer, Client(peer.host, version="1.44", tape=tape) as client:
            request: Any = SECRETS[name]
            if name.endswith("in pieces"):
                request = api.image_build(iter([CANARY.encode(), b"x" * 100_000]))
            if hasattr(request, "items"):
                with client.stream(request) as items:
                    list(items)
            else:
                client.send(request)
        return _on_tape(tape, tmp_path), tape

    kept, whole = talk(False)
    assert any(form in kept for form in _forms(CANARY))  # else this test would see nothing
    left, tape = talk(True)
    assert not [form for form in _forms(CANARY) if form in left]
    sizes = [[(one.kind, len(one.data)) for one in made.events if one.kind == "sent"] for made in (whole, tape)]
    assert sum(size for _, size in sizes[0]) == sum(size for _, size in sizes[1])


ANSWERS: dict[str, tuple[Any, bytes]] = {
    "login": (api.system_auth({}), b'{"Status":"ok","IdentityToken":"%b"}'),
    "inspect": (api.container_inspect("x"), b'{"Config":{"Env":["A=%b"]}}'),
    "info": (api.system_info(), b'{"HttpProxy":"http://you:%b@x"}'),
    "join tokens": (api.swarm_inspect(), b'{"JoinTokens":{"Worker":"%b","Manager":"%b"}}'.replace(b"%b", b"%(c)b")),
    "configs": (api.config_list(), b'[{"Spec":{"Name":"x","Data":"%b"}}]'),
    "volumes": (api.volume_list(), b'{"Volumes":[{"Options":{"o":"%b"}}]}'),
}


@pytest.mark.parametrize("framed", [ok, lambda body, *fields: _in_chunks(body, *fields)], ids=["length", "chunked"])
@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_answered(name: str, framed: Callable[..., bytes], tmp_path: Any) -> None:
    request, text = ANSWERS[name]
    canary = CANARY.encode()
    body = text % {b"c": canary} if b"%(c)b" in text else text % canary
    tape = Tape()

    def script(talk: Talk) -> None:
        talk.request()
        for piece in chunks(framed(body, b"Content-Type: application/json"), 5):
            talk.send(piece)

    with Peer(script) as peer, Client(peer.host, version="1.44", tape=tape) as client:
        answer = client.send(request)
    assert CANARY in json.dumps(answer)  # the client got it
    assert canary not in _on_tape(tape, tmp_path)
    with tape.replay() as replay, Client(replay.host, version="1.44") as client:
        again = client.send(request)
    assert CANARY not in json.dumps(again)
    assert len(json.dumps(again)) == len(json.dumps(answer))


def _in_chunks(body: bytes, *fields: bytes) -> bytes:
    head = b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"Transfer-Encoding: chunked", b"", b""])
    return head + chunked(*chunks(body, 7))


def test_what_is_typed(tmp_path: Any) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        talk.send(talk.receive(len(CANARY)).upper())

    tape = Tape()
    request = api.container_attach("x", stream=True, stdin=True, stdout=True, tty=True)
    with (
        Peer(script) as peer,
        Client(peer.host, version="1.44", tape=tape) as client,
        client.attach(request) as session,
    ):
        session.send(CANARY.encode())
        assert b"".join(frame.data for frame in session) == CANARY.upper().encode()
    kept = _on_tape(tape, tmp_path)
    assert CANARY.encode() not in kept
    assert CANARY.upper().encode() in kept  # what a process writes is kept
    assert f'"sent": {len(CANARY)}'.encode() in kept


# --- peers that break the rules --------------------------------------------------------------------------------------

HEAD = b"GET /info HTTP/1.1\r\nHost: docker\r\n\r\n"
CODED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
SECRET = b'{"auth":"sesame"}'
HIDDEN = b'{"auth":"******"}'


def heard(*answers: bytes, asked: bytes = HEAD) -> list[tuple[bytes, bool]]:
    conversation = Conversation(True)
    conversation.sent(asked)
    return [(part.data, part.blank) for answer in answers for part in conversation.received(answer)]


def test_framing_that_is_none() -> None:
    kept = b"".join(data for data, _ in heard(CODED, b"zz\r\n", SECRET))
    assert kept == CODED + b"zz\r\n" + HIDDEN  # masked all the same
    long = b"1;" + b"x" * (2 << 20)
    assert b"".join(data for data, _ in heard(CODED, long, SECRET)) == CODED + long + HIDDEN
    both = CODED.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n")
    assert b"".join(data for data, _ in heard(both, SECRET)) == both + HIDDEN


def test_heads_that_are_none() -> None:
    assert heard(b"hello\r\n\r\n", SECRET) == [(b"hello\r\n\r\n", False), (HIDDEN, False)]
    endless = b"HTTP/1.1 200 OK\r\nA: " + b"x" * (2 << 20)
    assert heard(endless, b"y") == [(endless, False), (b"y", False)]
    conversation = Conversation(True)
    endless = b"GET / HTTP/1.1\r\nAuthorization: " + b"x" * (2 << 20)
    assert conversation.sent(endless) == [(bytes(len(endless)), True)]
    both = b"POST /x HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"".join(part.data for part in Conversation(True).sent(both + b"abc")).startswith(both)


def test_heads_in_pieces() -> None:
    conversation = Conversation(True)
    head = b"GET /info HTTP/1.1\r\nX-Registry-Auth: c2VzYW1l\r\n\r\n"
    parts = [part for piece in chunks(head, 1) for part in conversation.sent(piece)]
    assert parts == [(head.replace(b"c2VzYW1l", b"********"), False)]
    conversation = Conversation(True)
    assert conversation.sent(HEAD[:20]) == []
    assert conversation.rest() == [(bytes(20), True)]  # what was not read is not shown
    assert conversation.rest() == []


def test_what_comes_behind_and_before() -> None:
    assert heard(ok(b"x"), b"y" * 3)[-1] == (b"yyy", False)
    conversation = Conversation(True)
    assert conversation.received(b"HTTP/1.1 400 Bad Request\r\n\r\n") == [(b"HTTP/1.1 400 Bad Request\r\n\r\n", False)]
    assert conversation.begins
    conversation = Conversation(True)
    assert conversation.sent(HEAD + HEAD) == [(HEAD, False), (bytes(len(HEAD)), True)]  # two, and no answer yet


def test_sessions_and_archives_are_blank() -> None:
    session = b"POST /session HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"
    assert heard(switched, b"PRI *", asked=session) == [(switched, False), (bytes(5), True)]
    export = b"GET /containers/x/export HTTP/1.1\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert heard(answer, b"3\r\nabc\r\n0\r\n\r\n", asked=export)[1:4] == [
        (b"3\r\n", False),
        (bytes(3), True),
        (b"\r\n", False),
    ]


def test_nothing_is_lost_whatever_is_said() -> None:
    pieces = [
        HEAD,
        CODED,
        SECRET,
        ok(SECRET),
        b"\r\n\r\n",
        b"\r\n",
        b"5\r\n",
        b"0\r\n\r\n",
        b"\x00\xff",
        b"HTTP/1.1 101 X\r\n",
    ]
    pieces += [
        b"POST /x HTTP/1.1\r\nUpgrade: tcp\r\nContent-Length: 4\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"x" * 50,
    ]
    dice = random.Random(2)
    for _ in range(3000):
        conversation = Conversation(redact=dice.random() < 0.8)
        given, kept = {"sent": 0, "received": 0}, {"sent": 0, "received": 0}
        for _ in range(dice.randrange(1, 12)):
            kind = dice.choice(["sent", "received"])
            piece = dice.choice(pieces)
            piece = piece[: dice.randrange(1, len(piece) + 1)] if dice.random() < 0.3 else piece
            given[kind] += len(piece)
            kept[kind] += sum(len(part.data) for part in getattr(conversation, kind)(piece))
        kept["sent"] += sum(len(part.data) for part in conversation.rest())
        assert kept == given
