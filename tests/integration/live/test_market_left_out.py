"""Orders of those who were looked at and are no contacts: they wait until their buyer is one, and bring nobody back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from market_ground import Market, market, number, shopper

from shopchimp.db import marking
from shopchimp.services.commerce import completeness


@pytest.fixture(scope="module")
def fair(new_database: Callable[[], str]) -> Iterator[Market]:
    with market(new_database()) as made:
        yield made


def left_out(fair: Market, email: str, reason: str) -> None:
    """The lane of the contacts looked at somebody, and left them out."""
    fair.do(
        """
        insert into people (shop_id, key, email, name, customer_state, contact_status, rule, result, reason)
        values (:shop, :email, :email, '', 'SUBSCRIBED', 'absent', 'M4', 'skipped', :reason)
        on conflict (shop_id, key) do update set contact_status = 'absent', result = 'skipped', reason = :reason
        """,
        email=email,
        reason=reason,
    )


def reason_of(fair: Market, kind: str, item_id: str) -> tuple[str, str | None]:
    item = fair.item(kind, item_id)
    assert item is not None
    return item["state"], item["reason"]


def test_an_order_brings_nobody_back_whose_contact_was_deleted(fair: Market) -> None:
    """M4, S15: only an opt-in of their own does; the order is there as soon as they are a contact again."""
    email = shopper("deleted")
    left_out(fair, email, "deleted")
    made = fair.order(email=email, guest=True)
    cart = fair.checkout(email=email)
    fair.live()
    assert fair.of(made) is None
    assert email not in fair.contacts()
    assert reason_of(fair, "order", number(made["id"])) == ("skipped", "deleted")
    assert reason_of(fair, "cart", cart["token"]) == ("skipped", "deleted")
    fair.stage.sandbox.edit("mailchimp", email, set={"status": "subscribed"})
    fair.do(
        "update people set contact_status = 'subscribed', result = 'synced', reason = null where key = :key", key=email
    )
    fair.chore("poll_orders")
    fair.live()
    assert fair.of(made) is not None


def test_orders_left_out_for_the_settings_come_when_these_change(fair: Market) -> None:
    """S103: also those that a first sync left out, for its buyers' own reason."""
    email = shopper("quiet")
    left_out(fair, email, "non_subscribed_off")
    made = fair.order(email=email, guest=True, told=False)
    values = {"id": number(made["id"]), "key": email}
    query = """
        insert into commerce_items (shop_id, kind, id, state, reason, key, source_updated_at)
        values (:shop, 'order', :id, 'skipped', 'non_subscribed_off', :key, now() + interval '1 day')
    """
    fair.do(query, **values)
    fair.chore("poll_orders")
    fair.live()
    assert fair.of(made) is not None


def test_what_waits_to_be_looked_at_is_not_marked_again(fair: Market) -> None:
    """Else every poll would fetch hundreds of late orders back out of the lane in which they wait."""
    query = """
        insert into commerce_items (shop_id, kind, id, state, reason, key)
        values (:shop, 'order', '5001', 'skipped', 'no_contact', 'nobody@market.example.com')
    """
    fair.do(query)
    with fair.stage.database.transaction() as tx:
        marking.mark(tx, fair.stage.shop_id, [marking.Mark("order:5001", "audit")])
    fair.do("update changes set lane = 'late' where key = 'order:5001'")
    with fair.stage.database.transaction() as tx:
        completeness.reconsider(tx, fair.stage.shop_id)
    assert fair.stage.rows("select lane from changes where key = 'order:5001'")[0]["lane"] == "late"
