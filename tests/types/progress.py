"""What the models give, as type checkers see it."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import assert_type

from dockerwire import Client
from dockerwire.progress import Failure, Layer, Message, Phase, Progress, Step
from dockerwire.usage import Usage, usage


def followed(client: Client) -> None:
    progress = Progress(max_layers=100, max_text=100)
    with client.images.create(from_image="busybox") as documents:
        for document in documents:
            changed = progress.feed(document)
            assert_type(changed, Layer | Step | Message | Failure | None)
            if isinstance(changed, Layer):
                assert_type(changed.phase, Phase)
                assert_type((changed.current, changed.moved), tuple[int | None, int | None])
                assert_type(changed.done, bool)
    with client.plugins.pull(client.plugins.privileges(remote="p"), remote="p") as documents:
        for document in documents:
            progress.feed(document)
    progress.finish()
    assert_type(progress.layers, Mapping[str, Layer])
    assert_type(progress.unfinished, tuple[Layer, ...])
    assert_type((progress.current, progress.total), tuple[int, int | None])
    assert_type(progress.digests, Mapping[str, str])
    assert_type(progress.error, Failure | None)
    assert_type(progress.step, Step | None)


def used(client: Client) -> None:
    assert_type(usage(client.containers.stats_once("web")), Usage)
    with client.containers.stats("web") as samples:
        for sample in samples:
            assert_type(usage(sample).cpu, float)
