"""What is no one else's business is not on a tape; everything else is, at its place."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dockerwire import Client, DockerWireError, HijackRequest, Request, api
from dockerwire.testing import Tape
from dockerwire.testing.redact import Conversation, JSONMask
from tests.support.credentials import CREDENTIALS, DATA, PLAIN, found_in
from tests.support.decoding import chunks
from tests.support.exchanges import chunked
from tests.support.peers import Peer, Talk, ok


def masked(document: bytes, **settings: Any) -> bytes:
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
        ('{"\\u0050asswor\\u0064":"x","\\xauth":"y"}', '{"\\u0050asswor\\u0064":"*","\\xauth":"y"}'),
        ('{"Env":["A\\u003db","C"]}', '{"Env":["A*******","C"]}'),
        (
            '{"CreatedBy":"ENV A=b","Labels":{"a":"b"},"Cmd":["c"]}',
            '{"CreatedBy":"ENV A=b","Labels":{"a":"b"},"Cmd":["c"]}',
        ),
        ('}]"auth":"x"{"auth":"y"}', '}]"auth":"x"{"auth":"*"}'),
    ],
)
def test_members(document: str, expected: str) -> None:
    assert masked(document.encode()) == expected.encode()
    mask = JSONMask()
    assert b"".join(mask(piece).data for piece in chunks(document.encode(), 1)) == expected.encode()


def test_a_key_in_escapes() -> None:
    key = "".join(f"\\u{ord(letter):04X}" for letter in "IdentityToken")
    assert masked(b'{"%b":"x"}' % key.encode()) == b'{"%b":"*"}' % key.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("get https://you:sesame@h/a@b: no", "get https://**********@h/a@b: no"),
        ("https://you:sesame@sesame@h", "https://**********@******@h"),
        ("unix:///run/x@y ssh://sesame@h", "unix:///run/x@y ssh://******@h"),
        ("http://a, http://b/c x@y", "http://a, http://b/c x@y"),
        (r"a \"https://h\": x@y", r"a \"https://h\": x@y"),
        (r"https://you:\u0026sesame\"@h", "https://" + "*" * 18 + "@h"),
        ("http://é:sesame@h", "http://*********@h"),
        ("http://h", "http://h"),
        ("://://https://sesame@h:/:/", "://://https://******@h:/:/"),
        ("http://sesame@", "http://******@"),
    ],
)
def test_users_of_addresses(text: str, expected: str) -> None:
    whole, shown = (b'{"a":["%b"],"b":"c@d"}' % one.encode() for one in (text, expected))
    assert masked(whole) == shown
    for place in range(1, len(whole)):  # what is cut there may be masked where it would not have to be
        for pieces in ([whole[:place], whole[place:]], chunks(whole, place)):
            mask = JSONMask()
            left = b"".join(mask(piece).data for piece in pieces)
            assert len(left) == len(shown)
            assert all(one in (other, ord("*")) for one, other in zip(left, shown, strict=True))
            assert b"sesame" not in left
            assert json.loads(left)["b"] == "c@d"


def test_everything_and_data() -> None:
    assert masked(b'{"a":["b",1],"c":null}', mode="all") == b'{"a":["*",1],"c":null}'
    assert masked(b'["A=b=c","D"]', mode="env") == b'["A=***","D"]'
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
        ahead = re.search(r'=|(?=["\\\\])', value) if mode == "env" else None
        start = 0 if mode == "all" else len(value) if ahead is None else ahead.end()
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

KEPT = {"arguments", "arguments of a service"}
SECRETS: dict[str, Callable[[], Any]] = {
    **CREDENTIALS,
    **DATA,
    "a context": lambda: api.image_build(f"RUN echo {PLAIN}\n".encode()),
    "a context in pieces": lambda: api.image_build(iter([PLAIN.encode(), b"x" * 100_000])),
}


def _on_tape(tape: Tape, tmp_path: Path) -> str:
    tape.save(tmp_path / "x.tape")
    return (tmp_path / "x.tape").read_text("ascii")


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_sent(name: str, tmp_path: Path) -> None:
    def script(talk: Talk) -> None:
        while talk.request() is not None:
            talk.send(ok(b"{}", b"Content-Type: application/json"))

    def talk(redact: bool) -> tuple[str, int]:
        tape, request = Tape(redact=redact), SECRETS[name]()
        with Peer(script) as peer, Client(peer.host, version="1.45", tape=tape) as client, suppress(DockerWireError):
            if isinstance(request, Request):
                client.send(request)
            else:
                opened: Any = client.attach if isinstance(request, HijackRequest) else client.stream
                with opened(request) as items:
                    list(items)
        return _on_tape(tape, tmp_path), sum(len(event.data) for event in tape.events if event.kind == "sent")

    kept, size = talk(False)
    assert found_in(kept)  # else this test would see nothing
    left, left_size = talk(True)
    assert bool(found_in(left)) is (name in KEPT)
    assert left_size == size


ANSWERS: dict[str, tuple[Any, bytes]] = {
    "login": (api.system_auth({}), b'{"Status":"ok","IdentityToken":"%b"}'),
    "inspect": (api.container_inspect("x"), b'{"Config":{"Env":["A=%b"]}}'),
    "info": (api.system_info(), b'{"HttpProxy":"http://you:%b@x"}'),
    "mirrors": (api.system_info(), b'{"RegistryConfig":{"Mirrors":["https://you:%b@x/"]}}'),
    "CAs": (api.swarm_inspect(), b'{"Spec":{"CAConfig":{"ExternalCAs":[{"URL":"https://%b@x"}]}}}'),
    "join tokens": (api.swarm_inspect(), b'{"JoinTokens":{"Worker":"%b","Manager":"%b"}}'.replace(b"%b", b"%(c)b")),
    "configs": (api.config_list(), b'[{"Spec":{"Name":"x","Data":"%b"}}]'),
    "volumes": (api.volume_list(), b'{"Volumes":[{"Options":{"o":"%b"}}]}'),
}


@pytest.mark.parametrize("framed", [ok, lambda body, *fields: _in_chunks(body, *fields)], ids=["length", "chunked"])
@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_answered(name: str, framed: Callable[..., bytes], tmp_path: Path) -> None:
    request, text = ANSWERS[name]
    secret = PLAIN.encode()
    body = text % {b"c": secret} if b"%(c)b" in text else text % secret
    tape = Tape()

    def script(talk: Talk) -> None:
        talk.request()
        for piece in chunks(framed(body, b"Content-Type: application/json"), 5):
            talk.send(piece)

    with Peer(script) as peer, Client(peer.host, version="1.44", tape=tape) as client:
        answer = client.send(request)
    assert PLAIN in json.dumps(answer)  # the client got it
    assert found_in(_on_tape(tape, tmp_path)) == []
    with tape.replay() as replay, Client(replay.host, version="1.44") as client:
        again = client.send(request)
    assert found_in(json.dumps(again)) == []
    assert len(json.dumps(again)) == len(json.dumps(answer))


def _in_chunks(body: bytes, *fields: bytes) -> bytes:
    head = b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"Transfer-Encoding: chunked", b"", b""])
    return head + chunked(*chunks(body, 7))


def test_what_is_typed(tmp_path: Path) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        talk.send(talk.receive(len(PLAIN)).swapcase())

    tape = Tape()
    request = api.container_attach("x", stream=True, stdin=True, stdout=True, tty=True)
    with (
        Peer(script) as peer,
        Client(peer.host, version="1.44", tape=tape) as client,
        client.attach(request) as session,
    ):
        session.send(PLAIN.encode())
        assert b"".join(frame.data for frame in session) == PLAIN.swapcase().encode()
    kept = _on_tape(tape, tmp_path)
    assert PLAIN not in kept
    assert PLAIN.swapcase() in kept  # what a process writes is kept
    assert f'"sent": {len(PLAIN)}' in kept


# --- peers that break the rules --------------------------------------------------------------------------------------

HEAD = b"GET /info HTTP/1.1\r\nHost: docker\r\n\r\n"
CODED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
SECRET = b'{"auth":"sesame"}'
HIDDEN = b'{"auth":"******"}'


def heard(*answers: bytes, asked: bytes = HEAD) -> list[tuple[bytes, bool]]:
    conversation = Conversation(True)
    conversation.sent(asked)
    return [(part.data, part.blank) for answer in answers for part in conversation.received(answer)]


def test_a_refusal() -> None:
    for framed in (ok, _in_chunks):
        answer = framed(b'{"message":"get https://you:sesame@h/: no"}', b"Content-Type: application/json")
        shown = b"".join(data for data, _ in heard(answer))
        assert len(shown) == len(answer)
        assert b"sesame" not in shown
    assert heard(ok(b'"ssh://sesame@h"'))[-1] == (b'"ssh://******@h"', False)


def test_a_cookie() -> None:
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b c\r\nX: y\r\nContent-Length: 0\r\n\r\n"
    for place in range(1, len(head)):
        shown = b"".join(data for data, _ in heard(head[:place], head[place:]))
        assert shown == head.replace(b"a=b c", b"*** *")


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
