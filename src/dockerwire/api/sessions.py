"""The Session operations: connections on which the engine and BuildKit speak gRPC over HTTP/2.

They are bytes both ways; what goes over them is for a gRPC library.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..wire.decoders import Chunks
from ..wire.request import HijackRequest
from ._build import bound, header_texts, hijack, text

__all__ = ["grpc", "session"]


def session(
    *,
    x_docker_expose_session_uuid: str | None = None,
    x_docker_expose_session_name: str | None = None,
    x_docker_expose_session_sharedkey: str | None = None,
    x_docker_expose_session_grpc_method: Iterable[str] | None = None,
) -> HijackRequest[bytes]:
    """Offer gRPC services to the builder: the engine is the HTTP/2 client. ``POST /session``, API 1.31.

    `x_docker_expose_session_uuid` is what `session` of `image_build` then says; …_grpc_method names each method that is
    served (``/moby.filesync.v1.FileSync/DiffCopy``). Up to API 1.38 engines must be experimental.
    """
    return hijack(
        "Session",
        "POST",
        "/session",
        headers=[
            text("X-Docker-Expose-Session-Uuid", x_docker_expose_session_uuid),
            text("X-Docker-Expose-Session-Name", x_docker_expose_session_name),
            text("X-Docker-Expose-Session-Sharedkey", x_docker_expose_session_sharedkey),
            header_texts("X-Docker-Expose-Session-Grpc-Method", x_docker_expose_session_grpc_method),
        ],
        bounds=[bound("the operation", "1.31")],
        items=Chunks(),
        upgrade="h2c",
    )


def grpc() -> HijackRequest[bytes]:
    """Speak gRPC with BuildKit: the engine is the HTTP/2 server. ``POST /grpc``, API 1.40, not documented."""
    return hijack("Grpc", "POST", "/grpc", bounds=[bound("the operation", "1.40")], items=Chunks(), upgrade="h2c")
