from __future__ import annotations

from collections.abc import Iterator

import pytest

from lane_house import LaneHouse, lane_house


@pytest.fixture
def house(database_url: str) -> Iterator[LaneHouse]:
    with lane_house(database_url) as made:
        yield made
