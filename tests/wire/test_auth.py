"""Credentials for registries."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from dockerwire import RegistryAuth
from tests.support.vectors import params

KEYWORDS = {
    "username": "username",
    "password": "password",
    "identitytoken": "identity_token",
    "serveraddress": "server_address",
    "email": "email",
    "registrytoken": "registry_token",
}
FULL = RegistryAuth(
    username="u",
    password="hunter2",
    identity_token="a.b.c",
    server_address="example.com",
    email="u@example.com",
    registry_token="bearer",
)


@pytest.mark.parametrize("row", [row for row in params("registry_auth") if "text" in row.values[0]["input"]])
def test_decode_vectors(row: dict[str, Any]) -> None:
    header, expect = row["input"]["text"], row["expect"]
    if "error" in expect:
        with pytest.raises(ValueError, match=r"^X-Registry-Auth: "):
            RegistryAuth.decode(header)
        return
    assert RegistryAuth.decode(header).config() == expect["config"]


@pytest.mark.parametrize("row", [row for row in params("registry_auth") if "config" in row.values[0]["input"]])
def test_encode_vectors(row: dict[str, Any]) -> None:
    config = row["input"]["config"]
    header = RegistryAuth(**{KEYWORDS[name]: value for name, value in config.items()}).header()
    read = json.loads(base64.b64decode(header, altchars=b"-_", validate=True))
    assert {name: value for name, value in read.items() if value} == row["expect"]["decodes_to"]
    assert not set(header) & set("+/\r\n")
    assert len(header) % 4 == 0
    assert RegistryAuth.decode(header).config() == row["expect"]["decodes_to"]
    if sent := row["expect"]["moby_sends"]:  # null where it is long
        assert RegistryAuth.decode(sent).config() == row["expect"]["decodes_to"]


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        '{"password": "hunter2"',
        '["hunter2"]',
        "null",
        '{"email": false}',
        '{"password": ["hunter2"]}',
        '{"username": "\\ud800"}',
        '{"password": "hunter2\\ud800"}',
    ],
)
def test_what_a_header_cannot_say(text: str) -> None:
    for header in (base64.urlsafe_b64encode(text.encode()).decode(), f"{text}+/"):
        with pytest.raises(ValueError, match=r"^(X-Registry-Auth|username|password): ") as caught:
            RegistryAuth.decode(header)
        error: BaseException | None = caught.value
        while error is not None:
            assert "hunter2" not in repr((error.args, vars(error)))
            error = error.__context__


def test_what_is_not_given_is_not_sent() -> None:
    assert RegistryAuth().header() == base64.urlsafe_b64encode(b"{}").decode()
    assert RegistryAuth(identity_token="t").config() == {"identitytoken": "t"}
    assert RegistryAuth(username="", password="").config() == {"username": "", "password": ""}
    assert FULL.config() == {
        "username": "u",
        "password": "hunter2",
        "identitytoken": "a.b.c",
        "serveraddress": "example.com",
        "email": "u@example.com",
        "registrytoken": "bearer",
    }


def test_no_secret_is_shown() -> None:
    for text in (repr(FULL), str(FULL), f"{FULL}", f"{FULL!r}", repr([FULL])):
        assert "hunter2" not in text
        assert "a.b.c" not in text
        assert "bearer" not in text
    assert repr(FULL) == "<RegistryAuth username, password, identitytoken, serveraddress, email, registrytoken>"
    assert repr(RegistryAuth()) == "<RegistryAuth empty>"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(FULL, protocol)


def test_it_can_be_copied_within_the_process() -> None:
    assert copy.copy(FULL) == FULL
    assert copy.deepcopy([FULL]) == [FULL]


def test_it_is_a_value() -> None:
    assert RegistryAuth(username="u") == RegistryAuth(username="u") != RegistryAuth(username="v")
    assert hash(RegistryAuth(username="u")) == hash(RegistryAuth(username="u"))
    with pytest.raises(FrozenInstanceError):
        FULL.password = "x"


@pytest.mark.parametrize("name", KEYWORDS.values())
@pytest.mark.parametrize("value", [b"x", 1, True, ["x"]])
def test_only_strings(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{name}: a str is needed, not "):
        RegistryAuth(**{name: value})


def test_a_wrong_type_does_not_tell_the_value() -> None:
    wrong: Any = b"hunter2"
    with pytest.raises(TypeError) as caught:
        RegistryAuth(password=wrong)
    assert "hunter2" not in str(caught.value)
