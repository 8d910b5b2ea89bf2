from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from activity_ground import Readers, readers

from shopchimp.services.settings import ShopSettings


@pytest.fixture(scope="module")
def _readers(new_database: Callable[[], str]) -> Iterator[Readers]:
    with readers(new_database()) as made:
        yield made


@pytest.fixture
def shop(_readers: Readers) -> Readers:
    """The module's shop, with the settings it began with; every test has people and campaigns of its own."""
    _readers.sql("delete from changes")
    _readers.sql("update lanes set open_until = null, failures = 0")
    _readers.stage.sandbox.faults()
    _readers.set(**{**ShopSettings().to_json(), "create_customers_since": None, "breaker": {"on": False}})
    return _readers
