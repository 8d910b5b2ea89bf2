"""Carts, live: made of abandoned checkouts, gone with their orders, never reopened (S76, S92, S96, S111)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from market_ground import Market, market, number, shopper

from shopchimp.db import checkouts
from shopchimp.domain.commerce.results import Kind
from shopchimp.services.commerce.looks import Slice


@pytest.fixture(scope="module")
def fair(new_database: Callable[[], str]) -> Iterator[Market]:
    with market(new_database()) as made:
        yield made


def test_an_abandoned_checkout_is_a_cart_with_its_way_back(fair: Market) -> None:
    """S76, S111: the recovery address, the lines, and a buyer whose consent nobody invents."""
    left = fair.checkout()
    fair.live()
    cart = fair.ours("cart")[left["token"]]
    assert cart["checkout_url"] == left["url"]
    assert cart["lines"][0]["product_variant_id"] == number(fair.variants[0])
    assert fair.contacts()[left["email"]]["status"] == "transactional"
    item = fair.item("cart", left["token"])
    assert item is not None
    assert (item["state"], item["key"]) == ("synced", left["email"])
    assert fair.lines("cart")[-1]["detail"]["action"] == "create"


def test_a_cart_follows_its_checkout_line_by_line(fair: Market) -> None:
    left = fair.checkout()
    fair.live()
    changed = fair.edit(
        "checkout", "update", id=left["token"], lines=[{"variant": fair.variants[1]}, {"variant": fair.variants[2]}]
    )
    fair.tell_checkout(changed, after=1)
    fair.live()
    lines = fair.ours("cart")[left["token"]]["lines"]
    assert sorted(line["product_variant_id"] for line in lines) == sorted(number(each) for each in fair.variants[1:3])


def test_an_emptied_checkout_leaves_no_cart(fair: Market) -> None:
    left = fair.checkout()
    fair.live()
    fair.tell_checkout(left, after=1, line_items=[])
    fair.live()
    assert left["token"] not in fair.ours("cart")
    assert fair.item("cart", left["token"]) is None


def test_a_cart_goes_when_its_order_exists_and_a_late_word_does_not_reopen_it(fair: Market) -> None:
    """No mail about an abandoned cart after the purchase (mc-woocommerce#141)."""
    left = fair.checkout()
    fair.live()
    made = fair.edit("checkout", "complete", id=left["token"])
    fair.told(made)
    fair.live()
    assert fair.of(made) is not None
    assert left["token"] not in fair.ours("cart")
    fair.tell_checkout(left, after=-5)  # late, and it says that nothing was completed
    fair.live()
    fair.tell_checkout(left, after=5)
    fair.live()
    assert left["token"] not in fair.ours("cart")
    assert fair.item("cart", left["token"]) is None


def test_an_order_that_comes_before_its_checkout_leaves_no_cart(fair: Market) -> None:
    left = fair.edit("checkout", "create", email=shopper(), lines=[{"variant": fair.variants[0]}])
    made = fair.edit("checkout", "complete", id=left["token"])
    fair.told(made)
    fair.live()
    fair.tell_checkout(left)
    fair.live()
    assert left["token"] not in fair.ours("cart")


def test_an_order_that_comes_while_its_cart_is_written_ends_it(fair: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes the cart looks for the order once more: the order's own look found no cart to end."""
    left = fair.checkout()
    write, late = Slice.write, list[bool]()

    def with_order(self: Slice, step: object, *, known: bool = False) -> None:
        if step.kind is Kind.CART and not late:  # type: ignore[attr-defined]
            late.append(True)
            with fair.stage.database.transaction() as tx:
                checkouts.mark_ordered(tx, fair.stage.shop_id, [left["token"]])
        write(self, step, known=known)  # type: ignore[arg-type]

    monkeypatch.setattr(Slice, "write", with_order)
    fair.live()
    assert late
    assert left["token"] not in fair.ours("cart")
    assert fair.item("cart", left["token"]) is None


def test_a_cart_of_somebody_else_is_made_anew(fair: Market) -> None:
    """Mailchimp can't be told that a cart has another buyer."""
    left = fair.checkout()
    fair.live()
    other = shopper()
    fair.tell_checkout({**left, "email": other}, after=1)
    fair.live()
    cart = fair.ours("cart")[left["token"]]
    assert fair.ours("ecommerce_customer")[cart["customer"]["id"]]["email_address"] == other


def test_a_deleted_checkout_takes_its_cart_along(fair: Market) -> None:
    left = fair.checkout()
    fair.live()
    fair.do("update checkouts set node = '{}'::jsonb where token = :token", token=left["token"])  # as intake does
    fair.mark(f"checkout:{left['token']}")
    fair.live()
    assert left["token"] not in fair.ours("cart")


def test_a_cart_of_the_storefront_points_to_its_checkouts(fair: Market) -> None:
    left = fair.checkout()
    fair.do("delete from changes where shop_id = :shop")
    fair.mark(f"cart:{left['cartToken']}")
    fair.live()
    assert left["token"] in fair.ours("cart")
