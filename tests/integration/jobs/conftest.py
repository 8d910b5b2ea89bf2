from __future__ import annotations

from collections.abc import Iterator

import pytest
from workshop import Workshop, workshop

from lane_house import LaneHouse, lane_house


@pytest.fixture
def house(database_url: str) -> Iterator[LaneHouse]:
    with lane_house(database_url) as made:
        yield made


@pytest.fixture
def shopfloor(house: LaneHouse) -> Iterator[Workshop]:
    with workshop(house) as made:
        yield made
