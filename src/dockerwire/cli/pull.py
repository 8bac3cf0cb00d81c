"""``pull``: an image from its registry."""

from __future__ import annotations

import argparse
from typing import Any

from .. import api, registry
from ..drivers.sync import Client
from ..reference import Reference, parse
from ..wire.request import StreamRequest
from .bars import transfer


def add(command: Any) -> None:
    parser = command("pull", pull)
    parser.add_argument("-a", "--all-tags", action="store_true", help="all tags of the name")
    parser.add_argument("--platform", metavar="OS[/ARCH[/VARIANT]]", help="of an image for several")
    add_quiet(parser)
    parser.add_argument("image", help="NAME[:TAG|@DIGEST]")


def add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="only the full name, in the end")


def pull(client: Client, given: argparse.Namespace) -> int:
    image = named(given)
    transfer(client, fetching(image, given.platform), given.quiet)
    print(image)
    return 0


def fetching(image: Reference, platform: str | None = None) -> StreamRequest[Any]:
    """The request for `image`, with its registry's credentials; without a tag and a digest for all tags."""
    auth = registry.load().auth_for(image.name)
    return api.image_create(from_image=image.name, tag=image.digest or image.tag, platform=platform, auth=auth)


def named(given: argparse.Namespace) -> Reference:
    """The image that was asked for: with a tag or a digest, unless all tags are. Tells of the tag it takes for none."""
    image = parse(given.image)
    if given.all_tags:
        if image.tag or image.digest:
            raise ValueError("--all-tags: a tag or a digest is too much")
    elif not (image.tag or image.digest):
        image = image._replace(tag="latest")
        if not given.quiet:
            print("Using default tag: latest")
    return image
