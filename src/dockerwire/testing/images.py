"""Answers of the image operations."""

from __future__ import annotations

import hashlib
import re

from ..reference import parse
from . import shapes
from .call import Call, encode
from .routes import route
from .state import Image, Refusal, World, with_tag

__all__: list[str] = []

_LAYER = 3001136


@route("ImageList", "GET", "/images/json")
def image_list(world: World, call: Call) -> None:
    filters = call.filters()
    for name in filters:
        if name not in ("before", "dangling", "label", "reference", "since", "until"):
            raise Refusal(400, f"{'Invalid' if world.release.api < (1, 44) else 'invalid'} filter '{name}'")
    references = filters.get("reference", [])
    with world.lock:
        documents = [
            shapes.image_summary(world, image)
            for image in world.images.values()
            if not references or any(_matches(pattern, tag) for pattern in references for tag in image.tags)
        ]
    if filters.get("label") or filters.get("dangling", ["false"])[0].lower() in ("1", "true"):
        documents = []  # no image here has labels or lacks a tag
    call.reply_json(200, documents)


def _matches(pattern: str, tag: str) -> bool:
    glob = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.fullmatch(glob, tag) is not None or re.fullmatch(glob, tag.rpartition(":")[0]) is not None


@route("ImageInspect", "GET", "/images/{}/json")
def image_inspect(world: World, call: Call) -> None:
    with world.lock:
        document = shapes.image_inspect(world, _found(world, call.parts[0], inspect=True))
    call.reply_json(200, document)


def _found(world: World, name: str, inspect: bool = False) -> Image:
    image = world.find_image(name)
    if image is None:
        text = f"No such image: {name}"
        # 20.10 says it twice on inspect.
        raise Refusal(404, f"no such image: {name}: {text}" if inspect and world.release.api < (1, 42) else text)
    return image


@route("ImageCreate", "POST", "/images/create")
def image_create(world: World, call: Call) -> None:
    name, tag = call.query.get("fromImage"), call.query.get("tag")
    if not name:
        _import(world, call)
        return
    full = with_tag(f"{name}{'@' if ':' in tag else ':'}{tag}" if tag else name)
    repository, _, version = full.rpartition(":")
    path = repository if "/" in repository else f"library/{repository}"
    lines: list[dict[str, object]] = [{"status": f"Pulling from {path}", "id": version}]
    digest = _digest(full)
    with world.lock:
        fault = world.pull_faults.get(full)
        known = world.find_image(full) is not None
        if not known and full not in world.registry and fault is None:
            raise Refusal(
                404,
                f"pull access denied for {repository}, repository does not exist or may require 'docker login': "
                "denied: requested access to the resource is denied",
            )
        if fault is not None:
            lines.append({"errorDetail": {"message": fault}, "error": fault})
        elif not known:
            world.add_image(full)
            lines += _progress(world, full)
        if fault is None:
            actor = {"ID": full, "Attributes": {"name": repository}}
            world.emit({"Type": "image", "Action": "pull", "Actor": actor})
            said = "Image is up to date" if known else "Downloaded newer image"
            lines.append({"status": f"Digest: {digest}"})
            lines.append({"status": f"Status: {said} for {full}"})
    _tell(world, call, lines)


def _tell(world: World, call: Call, lines: list[dict[str, object]]) -> None:
    with call.stream(world.happened, "application/json") as send:
        send([encode(line)[:-1] + b"\r\n" for line in lines])


def _digest(name: str) -> str:
    """Of the manifest that a registry has by that name."""
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def _import(world: World, call: Call) -> None:
    """An image from the request's body, which may be anything: nobody looks inside."""
    source, repository, tag = (call.query.get(key, "") for key in ("fromSrc", "repo", "tag"))
    if source != "-":
        raise Refusal(501, "the embedded engine imports what it is sent and fetches nothing")
    id = "sha256:" + hashlib.sha256(call.request.body).hexdigest()
    name = f"{repository}:{tag}" if tag else repository or id
    world.import_image(id, name if repository else None, len(call.request.body))
    world.emit({"Type": "image", "Action": "import", "Actor": {"ID": id, "Attributes": {"name": name}}})
    _tell(world, call, [{"status": id}])


def _at(world: World, name: str, status: str, current: int | None = None) -> dict[str, object]:
    """How far the one layer of an image is."""
    detail = {} if current is None else {"current": current, "total": _LAYER}
    line: dict[str, object] = {"status": status, "progressDetail": detail}
    if current is not None and world.release.api < (1, 52):
        done = 50 * current // _LAYER
        bar = ("=" * done + ">").ljust(51) if done < 50 else "=" * 50 + ">"
        line["progress"] = f"[{bar}]  {current / 1e6:.3f}MB/{_LAYER / 1e6:.3f}MB"
    return {**line, "id": hashlib.sha256(f"layer {name}".encode()).hexdigest()[:12]}


def _progress(world: World, name: str) -> list[dict[str, object]]:
    def at(status: str, current: int | None = None) -> dict[str, object]:
        return _at(world, name, status, current)

    if world.release.api >= (1, 52):  # the containerd image store
        hidden: dict[str, object] = {"progressDetail": {"hidecounts": True}}
        return [
            at("Pulling fs layer"),
            at("Download complete") | hidden,
            at("Extracting") | {"progressDetail": {"current": 1, "units": "s"}},
            at("Pull complete") | hidden,
        ]
    return [
        at("Pulling fs layer"),
        at("Downloading", 32768),
        at("Downloading", _LAYER),
        at("Verifying Checksum"),
        at("Download complete"),
        at("Extracting", 2195456),
        at("Extracting", _LAYER),
        at("Pull complete"),
    ]


@route("ImagePush", "POST", "/images/{}/push")
def image_push(world: World, call: Call) -> None:
    if world.release.api < (1, 42) and "x-registry-auth" not in call.request.headers:
        raise Refusal(400, "Bad parameters and missing X-Registry-Auth: EOF")
    name, tag = call.parts[0], call.query.get("tag")
    repository = with_tag(name).rpartition(":")[0]
    try:
        lines: list[dict[str, object]] = [{"status": f"The push refers to repository [{parse(repository).name}]"}]
    except ValueError:
        raise Refusal(400, "invalid reference format") from None
    with world.lock:
        here = {full for image in world.images.values() for full in image.tags}
        wanted = {f"{repository}:{tag}"} if tag else {full for full in here if full.rpartition(":")[0] == repository}
        if not wanted or not wanted <= here:
            fault = f"An image does not exist locally with the tag: {repository}"
            if world.release.api >= (1, 52):
                fault = f"tag does not exist: {repository}:{tag or 'latest'}"
            lines.append({"errorDetail": {"message": fault}, "error": fault})
        for full in sorted(wanted & here):
            lines += _pushed(world, full)
            world.registry.add(full)
            world.emit({"Type": "image", "Action": "push", "Actor": {"ID": full, "Attributes": {"name": repository}}})
    _tell(world, call, lines)


def _pushed(world: World, name: str) -> list[dict[str, object]]:
    def at(status: str, current: int | None = None) -> dict[str, object]:
        return _at(world, name, status, current)

    tag, digest, size = name.rpartition(":")[2], _digest(name), 527
    told: list[dict[str, object]] = [{"status": f"{tag}: digest: {digest} size: {size}"}]
    moved = [at("Layer already exists")] if name in world.registry else [at("Pushing", _LAYER), at("Pushed")]
    if world.release.api >= (1, 52):  # the containerd image store
        return moved + told
    told.append({"progressDetail": {}, "aux": {"Tag": tag, "Digest": digest, "Size": size}})
    return [at("Preparing"), *moved, *told]


@route("ImageDelete", "DELETE", "/images/{}")
def image_delete(world: World, call: Call) -> None:
    name = call.parts[0]
    with world.lock:
        image = _found(world, name)
        users = [container for container in world.containers.values() if container.image is image]
        tag = with_tag(name)
        last = image.tags == [tag] or tag not in image.tags
        if users and last and not (call.flag("force") and not any(user.running for user in users)):
            what = "cannot be forced" if any(user.running for user in users) else "must force"
            verb = "is using its referenced image" if tag in image.tags else "image is being used by stopped container"
            subject = f'remove repository reference "{name}"' if tag in image.tags else f"delete {image.id[7:19]}"
            raise Refusal(409, f"conflict: unable to {subject} ({what}) - container {users[0].id[:12]} {verb}")
        gone = [tag] if tag in image.tags else list(image.tags)
        image.tags = [other for other in image.tags if other not in gone]
        answer = [{"Untagged": tag} for tag in gone]
        for tag in gone:
            actor = {"ID": image.id, "Attributes": {"name": tag}}
            world.emit({"Type": "image", "Action": "untag", "Actor": actor})
        if not image.tags:
            del world.images[image.id]
            answer.append({"Deleted": image.id})
            actor = {"ID": image.id, "Attributes": {"name": image.id}}
            world.emit({"Type": "image", "Action": "delete", "Actor": actor})
    call.reply_json(200, answer)
