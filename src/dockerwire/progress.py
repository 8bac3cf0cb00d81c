"""How far a pull, a push, a load or a build is: a model without I/O, fed with the documents that the engine sends.

::

    progress = Progress()
    with client.images.create(from_image="busybox", tag="latest") as documents:
        for document in documents:
            changed = progress.feed(document)      # a Layer, Step, Message or Failure; None: nothing to see
    progress.finish()
    progress.digest, progress.current, progress.total, progress.layers

It knows the documents of ``POST /images/create``, ``POST /images/{name}/push``, ``POST /images/load``,
``POST /plugins/pull`` (and of the others of plugins) and of the classic builder of ``POST /build``; from BuildKit's
traces it takes nothing. Which words mean what: moby's ``daemon/internal/distribution``, ``daemon/builder/dockerfile``
and ``daemon/containerd/progress.go``; Podman's ``pkg/api/handlers/compat``, and Buildah.

Of what it returns the attributes are as they were sent, and `str` of it is one line that is safe to print.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from .errors import LimitExceeded, StreamError, printable, without_users

__all__ = ["Change", "Failure", "Layer", "Message", "Phase", "Progress", "Step"]

Phase = Literal[
    "waiting",
    "retrying",
    "downloading",
    "verifying",
    "downloaded",
    "extracting",
    "pushing",
    "loading",
    "other",
    "pulled",
    "pushed",
    "loaded",
    "exists",
    "mounted",
    "skipped",
    "unavailable",
]
"""What a layer is at. From ``pulled`` on it is done: ``exists`` is there already, ``mounted`` comes from another
repository of the registry, ``skipped`` may not be pushed, ``unavailable`` is not here to be pushed. ``other`` is what
the engine says in words that are not known here."""

_DONE: frozenset[str] = frozenset({"pulled", "pushed", "loaded", "exists", "mounted", "skipped", "unavailable"})
_BUSIEST: tuple[Phase, ...] = (
    "downloading",
    "pushing",
    "loading",
    "extracting",
    "verifying",
    "other",
    "retrying",
    "downloaded",
    "waiting",
)

_PHASES: dict[str, Phase] = {
    "Pulling fs layer": "waiting",
    "Waiting": "waiting",
    "Preparing": "waiting",
    "Downloading": "downloading",
    "Pulling layer fs": "downloading",  # containerd's transfer service
    "Verifying Checksum": "verifying",
    "Download complete": "downloaded",
    "Extracting": "extracting",
    "Pull complete": "pulled",
    "Complete": "pulled",  # plugins
    "Already exists": "exists",
    "Pushing": "pushing",
    "Pushed": "pushed",
    "Layer already exists": "exists",
    "Unavailable": "unavailable",
    "Loading layer": "loading",
    "Importing": "loading",
}
_BEGINNINGS: tuple[tuple[str, Phase], ...] = (
    ("Retrying in ", "retrying"),
    ("Mounted from ", "mounted"),
    ("Skipped ", "skipped"),
    ("Layer already being pulled", "waiting"),
)

_STEP = re.compile(r"(?:\[([0-9]{1,9})/[0-9]{1,9}\] )?(?:Step|STEP) ([0-9]{1,9})/([0-9]{1,9}) ?: (.*?)\n?", re.DOTALL)
_RESULT = re.compile(r" ?--+> (?:Using cache )?(?:sha256:)?([0-9a-f]{6,64})\n")  # of a step: its image
_DIGEST = re.compile(r"[a-z0-9+._-]{1,32}:[0-9a-fA-F]{32,256}")
_PUSHED = re.compile(r"([^ ]+): digest: ([^ ]+) size: [0-9]+")
_LOADED = re.compile(r"Loaded image(?: ID)?: ?(\S+)\n?")
_IMAGE_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})\n?")

_MOST = 2**63 - 1  # Go's int64, which all these counts are


class Layer(NamedTuple):
    """A layer as it is now, or another thing that is moved as a whole: by its short ID, 12 hex digits.

    `status` is what the engine said last. `current` and `total` say how far the present phase is, in `unit`, which is
    ``"bytes"`` nearly always (with the containerd store extraction counts seconds, ``"s"``); None is: not told. A total
    is never less than `current`: one that turns out too small is taken back.

    `moved` and `size` are the bytes between the engine and the registry (or the archive), whatever the phase. A layer
    that need not be moved has 0 of 0. A retry may set `moved` back.
    """

    id: str
    phase: Phase
    status: str
    current: int | None = None
    total: int | None = None
    unit: str = "bytes"
    moved: int | None = None
    size: int | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more has to happen to it."""
        return self.phase in _DONE

    def __str__(self) -> str:
        return printable(f"{self.id}: {self.status}" if self.id else self.status)


class Step(NamedTuple):
    """A step of a classic build: `number` of `total`, from 1; `stage` where Podman tells it.

    `container` runs it, `image` is what came of it (short IDs), `cached` says that nothing had to be run.
    """

    number: int
    total: int
    instruction: str
    stage: int | None = None
    container: str | None = None
    image: str | None = None
    cached: bool = False

    def __str__(self) -> str:
        return printable(f"Step {self.number}/{self.total} : {self.instruction}")


class Message(NamedTuple):
    """Something said: `text` as it was sent (of a build with its newlines), and the `id` that it was about, if any."""

    text: str
    id: str | None = None

    def __str__(self) -> str:
        text = self.text.rstrip("\r\n")
        return printable(text if self.id is None else f"{self.id}: {text}")


class Failure(NamedTuple):
    """The engine gave up, and says why; `code` is an exit status or None."""

    message: str
    code: int | None = None

    def __str__(self) -> str:
        return printable(without_users(self.message.strip()) or "no message")


Change = Layer | Step | Message | Failure
"""What one document has changed."""


class Progress:
    """The state of one pull, push, load or build.

    `max_layers` bounds the layers (and digests, and images) that are kept; going over it is `LimitExceeded`. Texts are
    kept up to `max_text` characters and cut there (with ``…``); an ID longer than that is `LimitExceeded` too.
    """

    def __init__(self, *, max_layers: int = 16384, max_text: int = 4096) -> None:
        if max_layers < 1 or max_text < 1:
            raise ValueError("max_layers and max_text are at least 1")
        self._max_layers = max_layers
        self._max_text = max_text
        self._layers: dict[str, Layer] = {}
        self._phases = dict.fromkeys(get_args(Phase), 0)
        self._moved = self._size = self._unknown = 0
        self._tag: str | None = None
        self._digests: dict[str, str] = {}
        self._images: dict[str, None] = {}
        self.step: Step | None = None
        """The step that a build is at, or was at last."""
        self.status: str | None = None
        """The line that says how a pull went: ``"Downloaded newer image for busybox:latest"``."""
        self.digest: str | None = None
        """Of the manifest: what was pulled or pushed (last)."""
        self.error: Failure | None = None
        """Why the engine gave up."""
        self.finished = False
        """Whether `finish` was called."""

    def __repr__(self) -> str:
        return f"<Progress {self.phase}: {len(self._layers)} layers, {self.current} of {self.total} bytes>"

    @property
    def layers(self) -> Mapping[str, Layer]:
        """By ID, in the order of their first mention: a view that follows what is fed."""
        return MappingProxyType(self._layers)

    @property
    def unfinished(self) -> tuple[Layer, ...]:
        """The layers to which something must still happen."""
        return tuple(layer for layer in self._layers.values() if not layer.done)

    @property
    def current(self) -> int:
        """Bytes that were moved, of all layers, as far as the engine told."""
        return self._moved

    @property
    def total(self) -> int | None:
        """Bytes to move, of all layers; None while the size of any is not known, and where no layer was named.

        Docker tells a size when it begins to move a layer, so it may stay unknown for long. Podman tells none, and
        neither does the containerd store of what it moves in a moment.
        """
        return self._size if self._layers and not self._unknown else None

    @property
    def phase(self) -> Phase | Literal["building", "failed", "done"]:
        """What all of it is at: the busiest phase of a layer, ``building``, or how it ended."""
        if self.error is not None:
            return "failed"
        if self.finished:
            return "done"
        for phase in _BUSIEST:
            if self._phases[phase]:
                return phase
        return "waiting" if self.step is None else "building"

    @property
    def done(self) -> bool:
        """Whether it has ended, and well."""
        return self.finished and self.error is None

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests of manifests by tag, for there may be many tags. Podman tells none of what it pulls."""
        return MappingProxyType(self._digests)

    @property
    def images(self) -> tuple[str, ...]:
        """What was loaded, by name or ID; the ID of what was built or imported."""
        return tuple(self._images)

    def feed(self, document: Any) -> Change | None:
        """Take the next document (or the `StreamError` in its place), and tell what it has changed.

        What has nothing to show (a part of BuildKit's, what is no progress at all) gives None. Raises `LimitExceeded`,
        and then nothing was taken.
        """
        if isinstance(document, StreamError):
            return self._fail(document.message, document.code)
        if not isinstance(document, Mapping):
            return None
        error, detail = document.get("error"), document.get("errorDetail")
        if error or detail:
            told: Mapping[str, Any] = detail if isinstance(detail, Mapping) else {}
            return self._fail(str(told.get("message") or error or ""), told.get("code"))
        if isinstance(stream := document.get("stream"), str):
            return self._streamed(stream)
        status, id = _text(document.get("status")), _text(document.get("id"))
        if status is None:
            return self._aux(document.get("aux"))
        # What is told without `progressDetail` is of the whole: "Pulling from …", whose id is a tag; and the ID of an
        # image that was imported, with Podman's or not.
        if "progressDetail" in document and not _IMAGE_ID.fullmatch(status):
            return self._layer(id or "", status, document["progressDetail"])
        return self._said(status, id)

    def finish(self) -> None:
        """The documents have ended as they should.

        Now layers are done that were downloaded (Podman says no more of them) or loaded. What else is unfinished stays
        so.
        """
        self.finished = True
        if self.error is not None:
            return
        for layer in self.unfinished:
            if layer.phase == "downloaded":
                self._put(layer._replace(phase="pulled"))
            elif layer.phase == "loading" and layer.current == layer.total:
                self._put(layer._replace(phase="loaded"))

    def _fail(self, message: str, code: Any) -> Failure:
        self.error = Failure(self._kept(message), code if isinstance(code, int) else None)
        return self.error

    def _layer(self, id: str, status: str, detail: Any) -> Layer:
        before = self._layers.get(self._key(id))
        if before is None:
            self._room(self._layers, "layers")
            before = Layer(id, "waiting", "")
        phase = _phase(status)
        if phase == "downloaded" and before.phase == "pulled":  # plugins: "Complete" comes first
            phase = "pulled"
        current, total, unit = self._counts(detail)
        moved, size = before.moved, before.size
        if unit == "bytes":
            # Of a compressed layer, extraction counts the compressed bytes too.
            size = total if total is not None else size
            if phase in ("downloading", "pushing", "loading"):
                moved = current if current is not None else moved
        if phase in ("verifying", "downloaded", "extracting"):
            moved = size if size is not None else moved
        elif phase in ("pulled", "pushed"):  # the last counts may have been left out, or the size was a guess
            moved = size = max((count for count in (moved, size) if count is not None), default=None)
        elif phase in _DONE:
            moved = size = moved or 0
        total, size = _unless_less(total, current), _unless_less(size, moved)
        return self._put(Layer(id, phase, self._kept(status), current, total, unit, moved, size))

    def _put(self, layer: Layer) -> Layer:
        before = self._layers.get(layer.id)
        if before is not None:
            self._count(before, -1)
        self._layers[layer.id] = layer
        self._count(layer, 1)
        return layer

    def _count(self, layer: Layer, sign: int) -> None:
        self._phases[layer.phase] += sign
        self._moved += sign * (layer.moved or 0)
        if layer.size is None:
            self._unknown += sign
        else:
            self._size += sign * layer.size

    def _counts(self, detail: Any) -> tuple[int | None, int | None, str]:
        if not isinstance(detail, Mapping) or detail.get("hidecounts"):
            return None, None, "bytes"
        unit = _text(detail.get("units")) or "bytes"
        # A total of 0 or -1 is Go for: unknown.
        return _number(detail.get("current")), _number(detail.get("total")) or None, self._kept(unit)

    def _said(self, text: str, id: str | None) -> Message:
        if text.startswith("Pulling from ") and id is not None:
            self._tag = self._kept(id)
        elif text.startswith("Digest: "):
            self._digested(self._tag, text[8:])
        elif text.startswith("Status: "):
            self.status = self._kept(text[8:])
        elif found := _PUSHED.fullmatch(text):
            self._digested(found[1], found[2])
        elif found := _IMAGE_ID.fullmatch(text):
            self._made(f"sha256:{found[1]}")
        else:
            self._load(text)
        return Message(text, id)

    def _digested(self, tag: str | None, digest: str) -> None:
        if not _DIGEST.fullmatch(digest):
            return
        if tag is not None:
            if self._key(tag) not in self._digests:
                self._room(self._digests, "digests")
            self._digests[tag] = digest
        self.digest = digest

    def _load(self, text: str) -> None:
        if found := _LOADED.fullmatch(text):
            self._made(found[1])

    def _made(self, image: str) -> None:
        if self._key(image) not in self._images:
            self._room(self._images, "images")
            self._images[image] = None

    def _aux(self, aux: Any) -> Message | None:
        if not isinstance(aux, Mapping):
            return None
        if (id := _text(aux.get("ID"))) is not None:
            self._made(id)
        tag, digest = _text(aux.get("Tag")), _text(aux.get("Digest"))
        if tag is not None and digest is not None:
            self._digested(tag, digest)
        if aux.get("contentMissing"):
            return Message(f"{_digest_of(aux.get('desc'))} is not here, so not all of the image was pushed")
        if aux.get("manifestPushedInsteadOfIndex"):
            selected, index = _digest_of(aux.get("selectedManifest")), _digest_of(aux.get("originalIndex"))
            return Message(f"only {selected} was pushed, of the index {index}")
        return None

    def _streamed(self, text: str) -> Step | Message:
        step = self.step
        if (found := _STEP.fullmatch(text)) and self._follows(found):
            stage = None if found[1] is None else int(found[1])
            self.step = Step(int(found[2]), int(found[3]), self._kept(found[4]), stage)
            return self.step
        if step is not None:
            if text.startswith(" ---> Running in "):
                step = step._replace(container=self._kept(text[17:].strip()))
            elif found := _RESULT.fullmatch(text):
                step = step._replace(image=found[1], cached=step.cached or "Using cache" in text)
            elif text == " ---> Using cache\n":
                step = step._replace(cached=True)
            if step != self.step:
                self.step = step
                return step
        elif found := _IMAGE_ID.fullmatch(text):  # all that a quiet build says
            self._made(f"sha256:{found[1]}")
        else:
            self._load(text)
        return Message(text)

    def _follows(self, found: re.Match[str]) -> bool:
        """Whether this can be the next step: what a RUN prints may look like one."""
        number, total = int(found[2]), int(found[3])
        if self.step is None or (found[1] is not None and int(found[1]) != self.step.stage):
            return number == 1
        return (number, total) == (self.step.number + 1, self.step.total) and number <= total

    def _key(self, id: str) -> str:
        if len(id) > self._max_text:
            raise LimitExceeded("an ID in the progress is too long, in characters", self._max_text)
        return id

    def _kept(self, text: str) -> str:
        return text if len(text) <= self._max_text else f"{text[: self._max_text - 1]}…"

    def _room(self, kept: dict[str, Any], what: str) -> None:
        if len(kept) >= self._max_layers:
            raise LimitExceeded(f"the progress tells of too many {what}", self._max_layers)


def _phase(status: str) -> Phase:
    if status in _PHASES:
        return _PHASES[status]
    for beginning, phase in _BEGINNINGS:
        if status.startswith(beginning):
            return phase
    return "other"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST else None


def _unless_less(total: int | None, current: int | None) -> int | None:
    """A total that is too small is none. (What is pushed is a tar archive; its total is told without its headers.)"""
    return None if total is not None and current is not None and total < current else total


def _digest_of(descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, Mapping) else None
    return digest if isinstance(digest, str) else "something"
