from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from visits_ground import Visits, visits

from shopchimp.services.settings import ShopSettings


@pytest.fixture(scope="module")
def _visits(new_database: Callable[[], str]) -> Iterator[Visits]:
    with visits(new_database()) as made:
        yield made


@pytest.fixture
def shop(_visits: Visits) -> Visits:
    """The module's shop, with the settings it began with and nothing that waits."""
    for table in ("changes", "customer_events", "event_counts", "visitors"):
        _visits.sql(f"delete from {table}")
    _visits.sql("update lanes set open_until = null, failures = 0, trouble = null")
    _visits.stage.sandbox.faults()
    _visits.set(**{**ShopSettings().to_json(), "create_customers_since": None, "breaker": {"on": False}})
    return _visits
