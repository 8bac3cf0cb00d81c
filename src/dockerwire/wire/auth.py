"""Credentials for registries, as the engine takes them in headers."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from ..errors import Malformed
from .base64text import decode_url
from .jsontext import dumps, loads

__all__ = ["RegistryAuth", "registry_config_header"]


_KEYS = {
    "username": "username",
    "password": "password",
    "identity_token": "identitytoken",
    "server_address": "serveraddress",
    "email": "email",
    "registry_token": "registrytoken",
}
_SURROGATE = re.compile("[\ud800-\udfff]")


def _json_object(data: bytes) -> dict[str, Any] | None:
    """None for anything else: what is raised here would have the whole text in its context, and it is secret."""
    try:
        value = loads(data)
    except Malformed:
        return None
    return value if isinstance(value, dict) else None


def _header(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(dumps(value)).decode("ascii")


@dataclass(frozen=True, repr=False)
class RegistryAuth:
    """What the engine shows to a registry: a user and a password, or an identity token in their place.

    `server_address` is the registry's domain without a scheme (``"https://index.docker.io/v1/"`` for Docker Hub);
    `registry_token` is a bearer token that the registry itself takes. None means absent. Its `repr` shows no secret,
    and it refuses to be pickled.
    """

    username: str | None = None
    password: str | None = None
    identity_token: str | None = None
    server_address: str | None = None
    email: str | None = None
    registry_token: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value: object = getattr(self, field.name)
            if not (value is None or isinstance(value, str)):
                raise TypeError(f"{field.name}: a str is needed, not {type(value).__name__}")
            if value is not None and _SURROGATE.search(value):
                raise ValueError(f"{field.name}: cannot be written as UTF-8")

    def config(self) -> dict[str, str]:
        """The AuthConfig of the API document, with what is given and nothing else. It holds the secrets."""
        given = {key: getattr(self, name) for name, key in _KEYS.items()}
        return {key: value for key, value in given.items() if value is not None}

    @classmethod
    def decode(cls, header: str) -> RegistryAuth:
        """What a value of ``X-Registry-Auth`` says (moby ``api/pkg/authconfig``); the empty one says nothing.

        For those who look at a request. Raises `ValueError`, which does not show the value.
        """
        data = decode_url(header)
        if data is None:
            raise ValueError("X-Registry-Auth: it is not base64url with its padding")
        config = _json_object(data or b"{}")
        if config is None or any(not isinstance(config.get(key), str | None) for key in _KEYS.values()):
            raise ValueError("X-Registry-Auth: it does not hold a JSON object of strings")
        return cls(**{name: config.get(key) or None for name, key in _KEYS.items()})

    def header(self) -> str:
        """The value of ``X-Registry-Auth``: base64url with padding (moby ``api/pkg/authconfig``)."""
        return _header(self.config())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RegistryAuth):
            return NotImplemented
        import hmac

        # In a time that does not tell how much of a guess is right.
        return hmac.compare_digest(dumps(self.config()), dumps(other.config()))

    def __repr__(self) -> str:
        return f"<RegistryAuth {', '.join(self.config()) or 'empty'}>"

    def __copy__(self) -> RegistryAuth:
        return self

    def __deepcopy__(self, memo: object) -> RegistryAuth:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled")


def registry_config_header(configs: Mapping[str, RegistryAuth]) -> str:
    """The value of ``X-Registry-Config``: as ``X-Registry-Auth``, of a map by registry (moby ``router/build``)."""
    return _header({registry: auth.config() for registry, auth in configs.items()})
