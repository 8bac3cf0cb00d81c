"""Events and stats while containers come and go."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.worlds import World, scenario

from dockerwire import api, time_ns
from dockerwire.api.types import ContainerStatsResponse, EventMessage

Run = Callable[..., str]
LIFE = ["create", "start", "die", "destroy"]


@scenario
async def test_events_while_containers_come_and_go(world: World, engine: Engine) -> None:
    label = f"dockerwire.test={uuid.uuid4()}"
    filters = {"type": "container", "event": LIFE, "label": label}
    key, _, value = label.partition("=")

    async with world.client(engine.host) as client:
        seen: list[EventMessage] = []
        made: list[str] = []
        try:
            async with client.stream(api.system_events(filters=filters)) as events:
                for code in range(5):
                    config: Any = {
                        "Image": engine.image,
                        "Cmd": ["sh", "-c", f"exit {code}"],
                        "Labels": {key: value},
                        "HostConfig": {"NetworkMode": "none"},
                    }
                    container = (await client.send(api.container_create(config)))["Id"]
                    made.append(container)
                    await client.send(api.container_start(container))
                    assert (await client.send(api.container_wait(container)))["StatusCode"] == code
                    await client.send(api.container_delete(container))
                async for event in events:
                    check(event, EventMessage)
                    seen.append(event)
                    if (event["Actor"]["ID"], event["Action"]) == (made[-1], "destroy"):
                        break
        finally:
            for container in made:
                engine.request("DELETE", f"/containers/{container}?force=1")
        lived = [(event["Actor"]["ID"], event["Action"]) for event in seen]
        # Of one container the order is certain, and nothing of the next comes before its creation.
        assert lived == [(container, action) for container in made for action in LIFE]
        assert [e["Actor"]["Attributes"]["exitCode"] for e in seen if e["Action"] == "die"] == list("01234")

        # Both ends of a window belong to it, to the nanosecond.
        times = [event["timeNano"] for event in seen]

        async def between(since: int, until: int) -> list[int]:
            request = api.system_events(since_ns=since, until_ns=until, filters=filters)
            async with client.stream(request) as events:
                again = [event["timeNano"] async for event in events]
                assert events.ended == "framed"
            return again

        assert times == sorted(times)
        assert await between(times[0], times[-1]) == times
        assert await between(times[0] + 1, times[-1] - 1) == times[1:-1]
        assert await between(times[7], times[7]) == [times[7]]


@scenario
async def test_stats_until_the_container_is_gone(world: World, engine: Engine, run_container: Run) -> None:
    container = run_container("sleep", "600", HostConfig={"NetworkMode": "none"})

    async with world.client(engine.host) as client:
        samples = []
        async with client.stream(api.container_stats(container)) as stats:
            async for sample in stats:
                check(sample, ContainerStatsResponse)
                samples.append(sample)
                if len(samples) == 2:
                    await client.send(api.container_delete(container, force=True))
            assert stats.ended == "framed"
        assert {sample["id"] for sample in samples[:2]} == {container}
        first, second = samples[:2]
        assert time_ns(second["preread"]) == time_ns(first["read"]) < time_ns(second["read"])
        assert second["memory_stats"]["usage"] > 0
        assert second["pids_stats"]["current"] == 1


@scenario
async def test_stats_once(world: World, engine: Engine, run_container: Run) -> None:
    container = run_container("sleep", "600", HostConfig={"NetworkMode": "none"})

    async with world.client(engine.host) as client:
        two = await client.send(api.container_stats_once(container))
        check(two, ContainerStatsResponse)
        assert two["cpu_stats"]["system_cpu_usage"] > two["precpu_stats"]["system_cpu_usage"] > 0
        one = await client.send(api.container_stats_once(container, one_shot=True))
        check(one, ContainerStatsResponse)
        assert one["cpu_stats"]["system_cpu_usage"] > 0
        assert "system_cpu_usage" not in one["precpu_stats"]
