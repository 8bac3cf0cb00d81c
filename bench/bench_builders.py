"""What it costs to say something: a builder, its check against a version, and the target it makes."""

from __future__ import annotations

from typing import Any

import pytest

from dockerwire import api

BUILDERS = {
    "ping": api.system_ping,
    "list": lambda: api.container_list(all=True, filters={"label": ["a=b", "c"], "status": "running"}),
    "logs": lambda: api.container_logs("web", follow=True, stdout=True, stderr=True, tail=10, timestamps=True),
    "create": lambda: api.container_create(
        {
            "Image": "busybox",
            "Cmd": ["sleep", "1"],
            "Env": ["A=1"],
            "HostConfig": {"AutoRemove": True, "Memory": 2**26},
        },
        name="web",
    ),
}


@pytest.mark.parametrize("what", list(BUILDERS))
def test_build(benchmark: Any, what: str) -> None:
    benchmark(BUILDERS[what])


@pytest.mark.parametrize("what", list(BUILDERS))
def test_build_check_and_target(benchmark: Any, what: str) -> None:
    def say() -> str:
        request = BUILDERS[what]()
        request.check("1.41")
        return request.target("1.41")

    assert benchmark(say).startswith("/v1.41/")
