"""How long what is here may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from .soak import SOAK

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is tried N times as often may take N times as long."""
    if SOAK > 1:
        seconds = SOAK * float(config.getini("timeout"))
        for item in items:
            if item.path.parent == HERE and item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(seconds))
