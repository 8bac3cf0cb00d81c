"""dockerwire: a low-level client for the Docker Engine API.

`dockerwire.api` says what can be asked; `Client` (and those of `dockerwire.drivers.asyncio` and
`dockerwire.drivers.trio`) asks it; `dockerwire.wire.Exchange` is for those who bring their own I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .__about__ import VERSION
from ._lazy import lazy

if TYPE_CHECKING:
    from .drivers.core import Timeouts
    from .drivers.pump import pump
    from .drivers.sync import Client
    from .errors import (
        APIError,
        BadRequest,
        ConfigError,
        Conflict,
        ConnectError,
        ConnectionLost,
        DockerWireError,
        Forbidden,
        InsecureWarning,
        LimitExceeded,
        Malformed,
        NotAcceptable,
        NotFound,
        NotImplementedByEngine,
        ProtocolError,
        ServerError,
        StreamError,
        Timeout,
        TransportError,
        Truncated,
        Unauthorized,
        Unavailable,
        UnsupportedVersion,
        WaitError,
    )
    from .kernel import Frame, LogRecord
    from .kernel.columns import FrameBatch, RecordBatch
    from .kernel.project import Rows
    from .times import time_ns
    from .waiting import wait_for
    from .wire.auth import RegistryAuth
    from .wire.host import Address, resolve
    from .wire.limits import Limits
    from .wire.pathstat import PathStat
    from .wire.request import HijackRequest, Request, StreamRequest
    from .wire.tlsconfig import TLSConfig

__version__ = VERSION

__all__ = [
    "APIError",
    "Address",
    "BadRequest",
    "Client",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "ConnectionLost",
    "DockerWireError",
    "Forbidden",
    "Frame",
    "FrameBatch",
    "HijackRequest",
    "InsecureWarning",
    "LimitExceeded",
    "Limits",
    "LogRecord",
    "Malformed",
    "NotAcceptable",
    "NotFound",
    "NotImplementedByEngine",
    "PathStat",
    "ProtocolError",
    "RecordBatch",
    "RegistryAuth",
    "Request",
    "Rows",
    "ServerError",
    "StreamError",
    "StreamRequest",
    "TLSConfig",
    "Timeout",
    "Timeouts",
    "TransportError",
    "Truncated",
    "Unauthorized",
    "Unavailable",
    "UnsupportedVersion",
    "WaitError",
    "__version__",
    "pump",
    "resolve",
    "time_ns",
    "wait_for",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            ".errors": __all__,  # which are most of them, and are needed whatever is asked for
            ".drivers.core": ("Timeouts",),
            ".drivers.pump": ("pump",),
            ".drivers.sync": ("Client",),
            ".kernel": ("Frame", "LogRecord"),
            ".kernel.columns": ("FrameBatch", "RecordBatch"),
            ".kernel.project": ("Rows",),
            ".times": ("time_ns",),
            ".waiting": ("wait_for",),
            ".wire.auth": ("RegistryAuth",),
            ".wire.host": ("Address", "resolve"),
            ".wire.limits": ("Limits",),
            ".wire.pathstat": ("PathStat",),
            ".wire.request": ("HijackRequest", "Request", "StreamRequest"),
            ".wire.tlsconfig": ("TLSConfig",),
            ".api": (),
            ".drivers": (),
            ".wire": (),
        },
    )
