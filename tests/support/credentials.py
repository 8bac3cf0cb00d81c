"""Requests with secrets in them, and how to find those: for tests that they show up nowhere."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from dockerwire import RegistryAuth, api

__all__ = ["AUTH", "CORE", "CREDENTIALS", "DATA", "ENV", "IDENTITY", "PLAIN", "SECRET", "TOKEN", "URL", "found_in"]

CORE = "Kan4rie7X9q"
SECRET = f'p+/=&%{CORE} "ü"\'\\'
"""What is looked for stands between what each encoding changes."""
PLAIN = f"tok{CORE}ken"
"""For where not every character may stand."""


def _needles() -> re.Pattern[str]:
    forms = {CORE, CORE.encode().hex(), quote(CORE)}
    for shift in range(3):  # base64 has it in three ways; what its neighbours change is cut off
        coded = base64.b64encode(b"x" * shift + CORE.encode())[4 if shift else 0 : -4].decode()
        forms |= {coded, coded.replace("+", "-").replace("/", "_")}
    forms |= {one[:8] for one in forms} | {CORE[-8:]}
    return re.compile("|".join(map(re.escape, sorted(forms, key=len))), re.IGNORECASE)


NEEDLES = _needles()


def found_in(text: str) -> list[str]:
    return NEEDLES.findall(text)


AUTH = RegistryAuth("bob", SECRET, server_address="r.test")
IDENTITY = RegistryAuth(identity_token=SECRET)
TOKEN = RegistryAuth(registry_token=SECRET)
URL = f"https://bob:{PLAIN}@git.test/x.git#main"
ENV = [f"TOKEN={SECRET}"]

CREDENTIALS: dict[str, Callable[[], Any]] = {
    "password, push": lambda: api.image_push("r.test/a", auth=AUTH),
    "identity token, pull": lambda: api.image_create(from_image="r.test/a", auth=IDENTITY),
    "registry token, distribution": lambda: api.distribution_inspect("r.test/a", auth=TOKEN),
    "password, build": lambda: api.image_build(b"", registry_config={"r.test": AUTH, "s.test": IDENTITY}),
    "password, service": lambda: api.service_create({"Name": "s"}, auth=AUTH),
    "password, update of a service": lambda: api.service_update("s", {"Name": "s"}, version=1, auth=AUTH),
    "password, plugin": lambda: api.plugin_pull([], remote="r.test/p", auth=AUTH),
    "password, upgrade of a plugin": lambda: api.plugin_upgrade("p", [], remote="r.test/p", auth=AUTH),
    "password, push of a plugin": lambda: api.plugin_push("p", auth=AUTH),
    "password, privileges": lambda: api.get_plugin_privileges(remote="r.test/p", auth=AUTH),
    "password, login": lambda: api.system_auth(AUTH),
    "password, login with a document": lambda: api.system_auth({"username": "bob", "password": SECRET}),
    "data of a secret": lambda: api.secret_create({"Name": "s", "Data": base64.b64encode(SECRET.encode()).decode()}),
    "data of a secret, update": lambda: api.secret_update("s", {"Name": "s", "Data": SECRET}, version=1),
    "join token": lambda: api.swarm_join({"ListenAddr": "h", "JoinToken": SECRET}),
    "unlock key": lambda: api.swarm_unlock({"UnlockKey": SECRET}),
    "settings of a plugin": lambda: api.plugin_set("p", ENV),
    "key of a session": lambda: api.session(x_docker_expose_session_sharedkey=PLAIN),
}
"""Requests with what is nothing but a secret: they are not pickled either."""
DATA: dict[str, Callable[[], Any]] = {
    "build argument": lambda: api.image_build(b"", buildargs={"TOKEN": SECRET}),
    "URL of a context": lambda: api.image_build(remote=URL),
    "URL of an image": lambda: api.image_create(from_src=URL),
    "token in the URL of a context": lambda: api.image_build(remote=f"https://git.test/x.tar?token={PLAIN}"),
    "token in the URL of an image": lambda: api.image_create(from_src=f"https://h.test/x.tar?a=b&token={PLAIN}#c"),
    "URL of a CA": lambda: api.swarm_init({"ListenAddr": "h", "Spec": {"CAConfig": {"ExternalCAs": [{"URL": URL}]}}}),
    "for the registry": lambda: api.image_create(from_image="a", meta={"Token": PLAIN}),
    "environment": lambda: api.container_create({"Image": "a", "Env": ENV}, name="c"),
    "environment of exec": lambda: api.container_exec("c", {"Cmd": ["a"], "Env": ENV}),
    "environment of a service": lambda: api.service_create(
        {"Name": "s", "TaskTemplate": {"ContainerSpec": {"Image": "a", "Env": ENV}}}
    ),
    "data of a config": lambda: api.config_create({"Name": "s", "Data": SECRET}),
    "options of a volume": lambda: api.volume_create({"Name": "v", "DriverOpts": {"o": f"password={SECRET}"}}),
    "options of a log driver": lambda: api.container_create(
        {"Image": "a", "HostConfig": {"LogConfig": {"Type": "splunk", "Config": {"splunk-token": SECRET}}}}
    ),
    "arguments": lambda: api.container_create({"Image": "a", "Cmd": ["login", SECRET]}),
    "arguments of a service": lambda: api.service_create(
        {"Name": "s", "TaskTemplate": {"ContainerSpec": {"Image": "a", "Args": [SECRET]}}}
    ),
    "changes of a commit": lambda: api.image_commit(container="c", changes=[f"ENV TOKEN={SECRET}"]),
    "archive": lambda: api.put_container_archive("c", SECRET.encode(), path="/"),
    "body in pieces": lambda: api.image_load(iter([SECRET.encode()])),
}
