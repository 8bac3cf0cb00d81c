"""``push``: an image to its registry."""

from __future__ import annotations

import argparse
from typing import Any

from .. import api, registry
from ..drivers.sync import Client
from .bars import transfer
from .pull import add_quiet, named


def add(command: Any) -> None:
    parser = command("push", push)
    parser.add_argument("-a", "--all-tags", action="store_true", help="all tags of the name")
    add_quiet(parser)
    parser.add_argument("image", help="NAME[:TAG]")


def push(client: Client, given: argparse.Namespace) -> int:
    image = named(given)
    if image.digest:
        raise ValueError("an image cannot be pushed by a digest: name a tag")
    auth = registry.load().auth_for(image.name)
    transfer(client, api.image_push(image.name, tag=image.tag, auth=auth), given.quiet)
    if given.quiet:
        print(image)
    return 0
