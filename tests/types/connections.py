"""How the engine is said to a client, and what looking for it gives."""

from __future__ import annotations

import os
import socket
import ssl

from typing_extensions import assert_type

from dockerwire import Address, Client, ConfigError, ConnectError, Timeouts, TLSConfig, resolve
from dockerwire.drivers import asyncio, trio
from dockerwire.testing import Tape, TapeFile


def clients(sock: socket.socket, own: ssl.SSLContext) -> None:
    assert_type(Client(), Client)
    assert_type(Client("ssh://me@host", timeout=Timeouts(connect=None)), Client)
    assert_type(Client(context="prod", version="1.44"), Client)
    assert_type(Client("tcp://host:2376", tls=TLSConfig(ca="ca.pem", cert="cert.pem", key="key.pem")), Client)
    assert_type(Client(sock, tls=own, max_idle=0), Client)
    assert_type(asyncio.Client(context="prod"), asyncio.Client)
    assert_type(asyncio.Client(sock, tls=TLSConfig(server_hostname="engine")), asyncio.Client)
    assert_type(trio.Client("tcp://host:2376", tls=own, timeout=5), trio.Client)


def tapes() -> None:
    tape = Tape()
    assert_type(Client(tape=tape), Client)
    assert_type(asyncio.Client(tape=tape), asyncio.Client)
    with TapeFile("list.tape") as file:
        assert_type(trio.Client(tape=file), trio.Client)
    with Tape.load("list.tape").replay(cut=1, reset=True) as replay:
        assert_type(replay.host, str)
        assert_type(Client(replay.connect()), Client)


def addresses() -> None:
    address = resolve()
    assert_type(address, Address)
    assert_type(resolve("unix:///run/docker.sock"), Address)
    assert_type(resolve(context="prod", environ={"DOCKER_CONFIG": "/here"}), Address)
    assert_type(address.scheme, str)
    assert_type(address.target, str | tuple[str, int])
    assert_type(address.source, str)
    assert_type(address.user, str | None)
    if isinstance(address.tls, TLSConfig):
        assert_type(address.tls.ca, str | os.PathLike[str] | None)
        assert_type(address.tls.verify, bool)
        assert_type(address.tls.context(), ssl.SSLContext)


def reasons() -> None:
    try:
        Client().negotiate()
    except (ConfigError, ConnectError) as error:
        assert_type(error.reason, str)
