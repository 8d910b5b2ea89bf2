"""What our store is called at Mailchimp: one name for each shop and audience, no longer than Mailchimp takes."""

from __future__ import annotations

from shopchimp.services.commerce.store import LONGEST_ID, id_of


def test_a_store_is_named_by_its_shop_and_audience() -> None:
    assert id_of("demo-store.myshopify.com", "a1b2c3d4e5") == "demo-store-a1b2c3d4e5"


def test_long_handles_keep_shops_and_audiences_apart() -> None:
    """Else the store of another audience would be taken for ours, or one shop would write into another's store."""
    handle = "the-very-long-name-of-a-small-shop-for-handmade-lamps-and-shades"
    shops = [f"{handle}.myshopify.com", f"{handle}-2.myshopify.com"]
    names = {id_of(shop, audience) for shop in shops for audience in ("a1b2c3d4e5", "f6a7b8c9d0")}
    assert len(names) == 4
    assert {len(name) for name in names} == {LONGEST_ID}
    assert all(name.startswith("the-very-long-name") for name in names)
