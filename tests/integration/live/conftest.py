from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from live_ground import QUIET, Ground, ground

from shopchimp.services.settings import ShopSettings


@pytest.fixture(scope="module")
def _ground(new_database: Callable[[], str]) -> Iterator[Ground]:
    with ground(new_database()) as made:
        yield made


@pytest.fixture
def shop(_ground: Ground) -> Ground:
    """The module's shop, with the settings it began with; every test has people of its own."""
    _ground.clear()
    _ground.set(**{**ShopSettings().to_json(), "create_customers_since": None, "breaker": QUIET})
    return _ground
