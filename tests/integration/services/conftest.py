from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_shop import House, open_house


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    made = open_house(database_url)
    yield made
    made.gateways.http.close()
    made.database.close()
