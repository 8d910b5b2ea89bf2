"""What Postgres complains about may end in some log: it says what was wrong and not about whom."""

from __future__ import annotations

import pytest
from small_shop import House
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError


def test_an_error_of_the_database_does_not_quote_what_was_sent(house: House) -> None:
    with pytest.raises(DBAPIError) as caught, house.database.transaction() as tx:
        tx.execute(text("select 1 / 0 where :email <> ''"), {"email": "canary.person@example.com"})
    assert "division by zero" in str(caught.value)
    assert "canary" not in str(caught.value)
