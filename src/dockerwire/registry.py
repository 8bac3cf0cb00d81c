"""What the docker CLI keeps for registries: ``config.json``, its credentials, its credential helpers, its proxies.

`load` reads the file; `Config.auth_for` gives the credentials of an image, as `image_push`, `image_create` and the
like take them, `Config.auths_for` those of several for `image_build`. The rules are docker/cli's
(``cli/config/configfile``, ``cli/config/credentials``): only the helper of the registry in question is asked.

A helper is a program. `Helper` says what to run and reads what it answers, without running it; `run_helper` runs it,
and blocks meanwhile. Where that must not be: a thread (``await asyncio.to_thread(config.auth_for, image)``), or run
what `Config.helper_call` says and read it with `HelperCall.result`.

No message of an error here shows what a file or a helper said.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from .errors import ConfigError, printable
from .reference import parse
from .wire import base64text
from .wire.auth import RegistryAuth
from .wire.host import config_folder
from .wire.jsontext import dumps

__all__ = ["Config", "Helper", "HelperCall", "hostname", "load", "run_helper"]

T = TypeVar("T")

DOCKER_HUB = "https://index.docker.io/v1/"
"""What config.json and helpers call Docker Hub."""

_LARGEST_FILE = 4 * 1024 * 1024
_LARGEST_ANSWER = 1024 * 1024
_TOKEN = "<token>"  # noqa: S105  the user that a helper names where the secret is an identity token
_NOT_FOUND = b"credentials not found in native keychain"
_HUB_KEY = re.compile(r"(?:https?://)?(?:index\.)?docker\.io(?:/v[12])?/?")
_URL = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#]*@)?"
    r"(?:\[(?P<ip>[0-9A-Fa-f:.]+)\]|(?P<host>[^\x00-\x20\x7f/?#@:\[\]%\"<>\\^`{|}]+))(?::(?P<port>[0-9]*))?(?:[/?#].*)?"
)


def hostname(registry: str) -> str:
    """``"https://r.test:5000/v2/"`` → ``"r.test:5000"`` (docker/cli ``ConvertToHostname``)."""
    _, scheme, rest = registry.partition("://")
    if not scheme:
        return registry.partition("/")[0]
    if match := _URL.fullmatch(registry):
        host = match["ip"] or match["host"]
        return _joined(host, match["port"]) if match["port"] else host
    host = rest.partition("/")[0]
    address, _, port = host.rpartition(":")
    if ":" in address and not host.startswith("[") and re.fullmatch("[0-9]+", port):
        return _joined(address, port)  # an IPv6 address without its brackets
    return host or registry.partition("/")[0]


def _joined(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _hub_or_hostname(registry: str) -> str:
    return DOCKER_HUB if _HUB_KEY.fullmatch(registry) else hostname(registry)


def _key(registry: str) -> str:
    """What config.json and helpers call a registry. Raises `ValueError` for what cannot be one."""
    key = _hub_or_hostname(registry)
    if not key or not key.isprintable():
        raise ValueError(f"registry: {_without_user(key)!r} is no domain")
    return key


def _without_user(host: str) -> str:
    return host.rpartition("@")[2]


# --- helpers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False, eq=False)
class HelperCall(Generic[T]):
    """A program to run: its `argv`, found on PATH and without a shell, and what it reads from `stdin`.

    `result` reads what it did.
    """

    argv: tuple[str, ...]
    stdin: bytes
    _read: Callable[[int, bytes], T]

    def result(self, returncode: int, stdout: bytes) -> T:
        """What the answer means: its exit status (negative: the signal that ended it) and its whole standard output.

        Raises `ConfigError`, which does not show `stdout`.
        """
        return self._read(returncode, stdout)

    def __repr__(self) -> str:
        return f"<HelperCall {' '.join(self.argv)}>"


@dataclass(frozen=True)
class Helper:
    """The credential helper ``docker-credential-NAME`` (the protocol of docker-credential-helpers ``credentials``).

    `name` is what `credsStore` and `credHelpers` hold. Raises `ConfigError` where it cannot be a program's.
    """

    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Za-z0-9._-]+", self.name):
            raise ConfigError(f"{self.name!r} is no name of a credential helper: letters, digits and . _ - are")

    @property
    def program(self) -> str:
        """The name of the program."""
        return f"docker-credential-{self.name}"

    def get(self, server: str) -> HelperCall[RegistryAuth | None]:
        """The credentials for `server`, or None where the helper has none."""

        def read(returncode: int, stdout: bytes) -> RegistryAuth | None:
            if returncode and stdout.strip() == _NOT_FOUND:
                return None
            return self._credentials(server, self._answer("get", server, returncode, stdout))

        return self._call("get", _line(server), read)

    def list(self) -> HelperCall[dict[str, str]]:
        """The users of all the servers the helper knows, by server."""

        def read(returncode: int, stdout: bytes) -> dict[str, str]:
            answer = self._answer("list", "", returncode, stdout)
            if not all(isinstance(user, str) for user in answer.values()):
                raise self._nonsense()
            return {_clean(server): _clean(user) for server, user in answer.items()}

        return self._call("list", b"", read)

    def store(self, server: str, auth: RegistryAuth) -> HelperCall[None]:
        """Keep the identity token, or the user and the password, for `server`."""
        _line(server)
        if auth.identity_token is not None:
            user, secret = _TOKEN, auth.identity_token
        elif auth.username and auth.password is not None:
            user, secret = auth.username, auth.password
        else:
            raise ValueError("auth: a helper keeps an identity token, or a user name with a password")
        stdin = dumps({"ServerURL": server, "Username": user, "Secret": secret})
        return self._call("store", stdin, lambda code, _: self._checked("store", "", code))

    def erase(self, server: str) -> HelperCall[None]:
        """Forget the credentials for `server`."""
        return self._call("erase", _line(server), lambda code, _: self._checked("erase", server, code))

    def _call(self, verb: str, stdin: bytes, read: Callable[[int, bytes], T]) -> HelperCall[T]:
        return HelperCall((self.program, verb), stdin, read)

    def _checked(self, verb: str, server: str, returncode: int) -> None:
        if returncode:
            how = f"was ended by signal {-returncode}" if returncode < 0 else f"failed with exit status {returncode}"
            by_hand = (
                f"printf %s {shlex.quote(_without_user(server))} | {self.program} {verb}"
                if server
                else f"{self.program} {verb}"
            )
            raise ConfigError(
                f"{self.program} {verb} {how}; what it says may be a secret and is not shown, so see for yourself: "
                f"{by_hand}"
            )

    def _answer(self, verb: str, server: str, returncode: int, stdout: bytes) -> dict[str, Any]:
        self._checked(verb, server, returncode)
        value, fault = _first_json(stdout)
        if fault or not isinstance(value, dict):
            raise self._nonsense()
        return value

    def _credentials(self, server: str, answer: dict[str, Any]) -> RegistryAuth | None:
        told, user, secret = (self._string(answer, name) for name in ("ServerURL", "Username", "Secret"))
        if told and _hub_or_hostname(told) != _hub_or_hostname(server):
            raise ConfigError(f"{self.program} answered for another server than {_without_user(server)!r}")
        if not secret and (not user or user == _TOKEN):
            return None  # as some helpers say that they have none
        if user == _TOKEN:
            return RegistryAuth(identity_token=secret, server_address=server)
        return RegistryAuth(user or None, secret or None, server_address=server)

    def _string(self, answer: dict[str, Any], key: str) -> str:
        value = _member(answer, key)
        if not (value is None or isinstance(value, str)):
            raise self._nonsense()
        return _clean(value or "")

    def _nonsense(self) -> ConfigError:
        return ConfigError(f"{self.program} did not answer as credential helpers do, in JSON: is it one?")


def _line(server: str) -> bytes:
    if not server or not server.isprintable():  # a helper reads a line
        raise ValueError(f"server: {server!r} is no server's name")
    return server.encode()


class _Ended(Exception):
    """Why a program was not waited for any longer."""


def run_helper(call: HelperCall[T], *, timeout: float = 60.0, environ: Mapping[str, str] = os.environ) -> T:
    """Runs a helper, waits for it and gives `HelperCall.result` of what it did.

    It is looked for in the absolute folders of PATH. Its standard error goes nowhere. After `timeout` seconds, or with
    more than 1 MiB of output, it is killed with all its children. Raises `ConfigError`.
    """
    program, verb = call.argv[0], call.argv[1:]
    folders = [folder for folder in environ.get("PATH", os.defpath).split(os.pathsep) if Path(folder).is_absolute()]
    found = shutil.which(program, path=os.pathsep.join(folders))
    if found is None:
        raise ConfigError(
            f"{program} is not on PATH, but config.json names it (credsStore, credHelpers): "
            "install it, or take it out there and log in again"
        )
    try:
        process = subprocess.Popen(  # noqa: S603  the name was looked at, and config.json is the user's own
            [found, *verb],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,  # so that its children can be killed with it
        )
    except OSError as error:
        raise ConfigError(f"{program} cannot be run: {error.strerror}") from None
    with process:
        try:
            stdout = _converse(process, call.stdin, timeout)
        except _Ended as fault:
            problem = str(fault)
        else:
            return call.result(process.returncode, stdout)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    raise ConfigError(f"{program} {problem} and was killed")


def _converse(process: subprocess.Popen[bytes], stdin: bytes, timeout: float) -> bytes:
    """What it writes until it ends. Raises `_Ended`."""
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = time.monotonic() + timeout
    too_slow = _Ended(f"did not answer within {timeout:g} s (does it wait for its user?)")
    stdout = bytearray()
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise too_slow
            for key, _ in ready:
                if key.fileobj is process.stdout:
                    data = os.read(key.fd, 65536)
                    stdout += data
                    if len(stdout) > _LARGEST_ANSWER:
                        raise _Ended(f"wrote more than {_LARGEST_ANSWER} bytes")
                    if not data:
                        selector.unregister(process.stdout)
                else:
                    try:
                        stdin = stdin[os.write(key.fd, stdin) :]
                    except BrokenPipeError:  # it does not want to know
                        stdin = b""
                    if not stdin:
                        selector.unregister(process.stdin)
                        process.stdin.close()
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise too_slow from None
    return bytes(stdout)


# --- config.json ---------------------------------------------------------------------------------------------------


class _Unshown(dict[str, str]):
    """A dict that does not show its values: the address of a proxy may hold a password, a header a token."""

    def __repr__(self) -> str:
        return f"<{', '.join(self) or 'nothing'}: not shown>"


def _nothing() -> dict[str, Any]:
    return {}


Run = Callable[[HelperCall[RegistryAuth | None]], RegistryAuth | None]
"""What `run_helper` is, for those who run helpers in their own way."""


@dataclass(frozen=True, repr=False)
class Config:
    """What `config.json` holds of credentials and for containers. Made by `load` or `Config.decode`.

    `auths` are the credentials in the file itself, by registry as it is called there; `creds_store` and `cred_helpers`
    (by registry) are the names of helpers. `http_headers` are what the docker CLI adds to its requests; dockerwire
    does not. `detach_keys` is the sequence of keys that leaves a terminal. `proxy_settings` are the objects in
    `proxies`, by engine or "default". `environment_auths` are the credentials of ``DOCKER_AUTH_CONFIG``.

    Its `repr` shows what there is and no value, nor do those of headers and proxies. It refuses to be pickled.
    """

    auths: Mapping[str, RegistryAuth] = field(default_factory=_nothing)
    creds_store: str | None = None
    cred_helpers: Mapping[str, str] = field(default_factory=_nothing)
    http_headers: Mapping[str, str] = field(default_factory=_nothing)
    detach_keys: str | None = None
    proxy_settings: Mapping[str, Mapping[str, str]] = field(default_factory=_nothing)
    environment_auths: Mapping[str, RegistryAuth] = field(default_factory=_nothing)

    @classmethod
    def decode(cls, data: bytes, *, source: str = "config.json") -> Config:
        """The contents of a `config.json` (docker/cli ``LoadFromReader``). Raises `ConfigError`, which names `source`.

        Keys that are not of these fields are not looked at, nor is what follows the JSON object. `email` is not read:
        engines and the docker CLI have dropped it.
        """
        read = _Reader(printable(source))
        file = read.document(data)
        return cls(
            auths=read.auths(file),
            creds_store=read.string(file, "credsStore"),
            cred_helpers=read.strings(file, "credHelpers"),
            http_headers=_Unshown(read.strings(file, "HttpHeaders")),
            detach_keys=read.string(file, "detachKeys"),
            proxy_settings=read.proxies(file),
        )

    def helper_call(self, registry: str) -> HelperCall[RegistryAuth | None] | None:
        """What has to be run for a registry's credentials; None where no helper is asked.

        That is its own helper in `cred_helpers`, or else `creds_store`. Raises `ConfigError` where its name is none.
        """
        key = _key(registry)
        if _find(self.environment_auths, key) is not None:
            return None
        name = self.cred_helpers.get(key, self.creds_store)
        return Helper(name).get(key) if name else None

    def auth(self, registry: str, *, run: Run = run_helper) -> RegistryAuth | None:
        """The credentials for a registry, or None: of ``DOCKER_AUTH_CONFIG``, of its helper, or else of `auths`.

        Where there is a helper, what `auths` says does not count. `run` gives `HelperCall.result`; the default one
        runs the helper and waits for it. `registry` is a domain with its port (``"docker.io"``) or a URL. Raises
        `ValueError` for what is neither, and `ConfigError` for a helper that is missing, fails or lies.
        """
        key = _key(registry)
        call = self.helper_call(registry)
        if call is not None:
            return run(call)
        found = _find(self.environment_auths, key) or _find(self.auths, key)
        if found is None or not (found.username or found.password or found.identity_token or found.registry_token):
            return None
        return found

    def auth_for(self, image: str, *, run: Run = run_helper) -> RegistryAuth:
        """The credentials for the registry of an image: `auth`, or an empty `RegistryAuth` where there are none.

        Raises `ValueError` for what is no name of an image, and as `auth` does.
        """
        domain = parse(image).domain
        return (self.auth(domain, run=run) if domain else None) or RegistryAuth()

    def auths_for(self, images: Iterable[str], *, run: Run = run_helper) -> dict[str, RegistryAuth]:
        """The credentials for the registries of images, where there are any, by registry: `registry_config` of a build.

        Each registry's helper is asked once. Raises as `auth_for` does.
        """
        domains = dict.fromkeys(parse(image).domain for image in images)
        found = {_key(domain): self.auth(domain, run=run) for domain in domains if domain}
        return {key: auth for key, auth in found.items() if auth is not None}

    def proxies(self, host: str | None = None) -> dict[str, str]:
        """The proxies for containers and builds of the engine at `host`, as environment variables in both cases.

        ``{"HTTP_PROXY": …, "http_proxy": …}``, and so on for HTTPS, NO, FTP and ALL. They are those of the entry
        `host`, spelled as in the file, or else of "default" (docker/cli ``ParseProxyConfig``). Its `repr` shows no
        value. Nothing uses them unasked.
        """
        entry = host if host in self.proxy_settings else "default"
        settings = self.proxy_settings.get(entry or "", {})
        return _Unshown(
            (name, value)
            for variable, key in _PROXIES.items()
            for name in (variable, variable.lower())
            if (value := settings.get(key))
        )

    def __repr__(self) -> str:
        return f"<Config {', '.join(one.name for one in fields(self) if getattr(self, one.name)) or 'empty'}>"

    def __copy__(self) -> Config:
        return self

    def __deepcopy__(self, memo: object) -> Config:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled")


_PROXIES = {
    "HTTP_PROXY": "httpProxy",
    "HTTPS_PROXY": "httpsProxy",
    "NO_PROXY": "noProxy",
    "FTP_PROXY": "ftpProxy",
    "ALL_PROXY": "allProxy",
}


def _find(auths: Mapping[str, RegistryAuth], key: str) -> RegistryAuth | None:
    """The entry of that key, or else one of another spelling of the same registry."""
    if key in auths:
        return auths[key]
    return next((auth for name, auth in auths.items() if _hub_or_hostname(name) == key), None)


def load(path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] = os.environ) -> Config:
    """Reads the docker CLI's `config.json`: at `path`, or else in ``DOCKER_CONFIG``, or else in ``~/.docker``.

    An empty `Config` where there is no such file. The credentials in ``DOCKER_AUTH_CONFIG`` (a JSON object with
    `auths`) come first, as in the docker CLI. Raises `ConfigError`, which names the file and shows nothing of it.
    """
    if path is None:
        path = config_folder(environ) / "config.json"
    source = printable(os.fspath(path))
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        data = b""
    except (OSError, ValueError) as error:
        raise ConfigError(f"{source}: {getattr(error, 'strerror', error)}") from None
    config = Config.decode(data, source=source)
    if text := environ.get("DOCKER_AUTH_CONFIG"):
        config = replace(config, environment_auths=_environment_auths(text))
    return config


def _environment_auths(text: str) -> dict[str, RegistryAuth]:
    read = _Reader("DOCKER_AUTH_CONFIG")
    auths = read.auths(read.document(os.fsencode(text)))
    for name, auth in auths.items():
        if auth.username is None:
            raise read.error(f"auths: {_shown(name)} has no auth")
    return auths


class _Reader:
    """Reads what a JSON document holds, for messages about `source`.

    Go's ``encoding/json`` is what the docker CLI reads with, so keys are found in any case, null is as good as absent,
    and bytes that are no UTF-8 become U+FFFD.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def error(self, fault: str) -> ConfigError:
        return ConfigError(f"{self.source}: {fault}")

    def document(self, data: bytes) -> dict[str, Any]:
        if len(data) > _LARGEST_FILE:
            raise self.error(f"it is larger than {_LARGEST_FILE} bytes")
        if not data.strip(b" \t\r\n"):
            return {}
        value, fault = _first_json(data)
        if fault:
            raise self.error(fault)
        return self._object(value, "the whole")

    def auths(self, file: dict[str, Any]) -> dict[str, RegistryAuth]:
        return {_clean(name): self._auth(_clean(name), value) for name, value in self._member(file, "auths").items()}

    def _auth(self, registry: str, value: object) -> RegistryAuth:
        where = f"auths: {_shown(registry)}"
        entry = self._object(value, where)
        user, password = self.string(entry, "username", where), self.string(entry, "password", where)
        if encoded := self.string(entry, "auth", where):
            user, password = self._user_and_password(encoded, where)
        return RegistryAuth(
            user or None,
            password or None,
            self.string(entry, "identitytoken", where),
            registry or None,
            registry_token=self.string(entry, "registrytoken", where),
        )

    def _user_and_password(self, encoded: str, where: str) -> tuple[str, str]:
        text = encoded.replace("\r", "").replace("\n", "")
        data = base64text.decode(text)
        if data is None:
            raise self.error(f"{where}: auth is not base64")
        user, colon, password = data.partition(b":")
        if not (user and colon):
            raise self.error(f"{where}: auth is not the base64 of user:password")
        return _utf8(user), _utf8(password.strip(b"\0"))

    def proxies(self, file: dict[str, Any]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for engine, value in self._member(file, "proxies").items():
            where = f"proxies: {_shown(engine)}"
            entry = self._object(value, where)
            settings = {key: self.string(entry, key, where) for key in _PROXIES.values()}
            found[_clean(engine)] = _Unshown((key, one) for key, one in settings.items() if one is not None)
        return found

    def string(self, value: dict[str, Any], key: str, where: str = "") -> str | None:
        found = _member(value, key)
        if not (found is None or isinstance(found, str)):
            raise self.error(f"{where}{': ' if where else ''}{key} is not a string")
        return _clean(found) or None if found else None

    def strings(self, file: dict[str, Any], key: str) -> dict[str, str]:
        found = self._member(file, key)
        if not all(one is None or isinstance(one, str) for one in found.values()):
            raise self.error(f"{key} is not an object of strings")
        return {_clean(name): _clean(one or "") for name, one in found.items()}

    def _member(self, file: dict[str, Any], key: str) -> dict[str, Any]:
        return self._object(_member(file, key), key)

    def _object(self, value: object, where: str) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.error(f"{where} is not an object")
        return value


def _shown(name: str) -> str:
    """A key of `auths`, as messages show it."""
    return repr(_without_user(hostname(name)))


def _member(value: dict[str, Any], key: str) -> Any:
    """The last that is called so, in whatever case."""
    return next((value[name] for name in reversed(value) if name.lower() == key.lower()), None)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_int=float, parse_constant=_no_number)  # no number is of interest


def _first_json(data: bytes) -> tuple[Any, str | None]:
    """The value that `data` begins with and None, or what is wrong.

    Nothing is raised, as a JSONDecodeError holds the whole text, and would go along as the context of what is raised
    because of it.
    """
    text = _utf8(data)
    try:
        return _DECODER.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))[0], None
    except json.JSONDecodeError as error:
        return None, f"it is not JSON: line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):
        return None, "it is not JSON"


def _utf8(data: bytes) -> str:
    return _clean(data.decode("utf-8", "surrogateescape"))


def _clean(text: str) -> str:
    """With U+FFFD for what is no character."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
