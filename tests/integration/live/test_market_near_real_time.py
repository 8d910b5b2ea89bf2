"""What is said of the store is at Mailchimp as soon as it was looked at; promo codes alone wait for their run (S63, S64)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from market_ground import Market, market, number, shopper


@pytest.fixture(scope="module")
def fair(new_database: Callable[[], str]) -> Iterator[Market]:
    with market(new_database()) as made:
        yield made


def test_all_but_promo_codes_follow_at_once(fair: Market) -> None:
    """S63: an order, a product, a customer and a cart, without any poll; S64: of a discount only a run is begun."""
    email = shopper("regular")
    person = fair.stage.sandbox.edit("shopify", email, set={"firstName": "Ada"})
    fair.stage.mark(email, customer_id=int(number(person["id"])))
    product = fair.edit("product", "create", title="Lamp", variants=[{"title": "One", "price": 1000, "sku": "L-1"}])
    fair.mark(f"product:{number(product['id'])}")
    order, left = fair.order(paid=False), fair.checkout()
    fair.live()
    fair.edit("product", "update", id=product["id"], set={"title": "Brass lamp", "type": "Lights"})
    fair.stage.sandbox.edit("shopify", email, set={"firstName": "Augusta"})
    discount = fair.edit("discount", "create", code="SPRING")
    fair.stage.mark(email, customer_id=int(number(person["id"])))
    fair.mark(f"product:{number(product['id'])}", f"discount:{number(discount['id'])}")
    fair.change(order, "pay")
    fair.tell_checkout(
        fair.edit("checkout", "update", id=left["token"], lines=[{"variant": fair.variants[1]}]), after=1
    )
    fair.live()
    there = fair.ours("product")[number(product["id"])]
    assert (there["title"], there["type"]) == ("Brass lamp", "Lights")
    assert fair.ours("ecommerce_customer")[number(person["id"])]["first_name"] == "Augusta"
    paid = fair.of(order)
    assert paid is not None
    assert paid["financial_status"] == "paid"
    lines = fair.ours("cart")[left["token"]]["lines"]
    assert [line["product_variant_id"] for line in lines] == [number(fair.variants[1])]
    assert fair.ours("promo_rule") == {}
    runs = fair.stage.rows("select trigger, held_until > now() as waits from promo_runs")
    assert [(run["trigger"], run["waits"]) for run in runs] == [("webhook", True)]
