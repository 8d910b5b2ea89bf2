"""The calls about the app's own web pixel: what each answer of Shopify means (S40, S41)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
import respx

from shopchimp.domain.errors import Rejected, Unauthorized
from shopchimp.shopify import pixels
from shopchimp.shopify.client import ShopifyClient

SHOP = "https://demo-store.myshopify.com"
URL = f"{SHOP}/admin/api/2026-10/graphql.json"
PIXEL = "gid://shopify/WebPixel/7"
WISHED = {"accountID": "acc", "endpoint": "https://app.example.com/pixel/v1/events"}
TEXT = orjson.dumps(WISHED).decode()


class Token:
    def __call__(self, *, refused: str | None = None) -> str:
        return "t"


@pytest.fixture
def client() -> Iterator[ShopifyClient]:
    with httpx.Client(trust_env=False) as http:
        yield ShopifyClient(http, shop_url=SHOP, token=Token())


def says(**data: Any) -> respx.Route:
    return respx.post(URL).respond(json={"data": data})


def refuses(name: str, *codes: str) -> respx.Route:
    errors = [{"field": None, "message": f"{code} in words", "code": code} for code in codes]
    return says(**{name: {"webPixel": None, "deletedWebPixelId": None, "userErrors": errors}})


def sent(route: respx.Route) -> Any:
    return orjson.loads(route.calls.last.request.content)["variables"]


@respx.mock
@pytest.mark.parametrize("settings", [TEXT, WISHED])
def test_what_it_runs_with_is_read_as_text_or_as_object(client: ShopifyClient, settings: Any) -> None:
    says(webPixel={"id": PIXEL, "settings": settings})
    assert pixels.look(client) == pixels.WebPixel(PIXEL, WISHED)


@respx.mock
@pytest.mark.parametrize("settings", ["{", "[]", None, 3])
def test_settings_that_are_none_of_ours_are_none(client: ShopifyClient, settings: Any) -> None:
    says(webPixel={"id": PIXEL, "settings": settings})
    assert pixels.look(client) == pixels.WebPixel(PIXEL, {})


@respx.mock
def test_where_there_is_none_shopify_answers_with_null_or_with_an_error(client: ShopifyClient) -> None:
    says(webPixel=None)
    assert pixels.look(client) is None
    none = {"message": "No web pixel was found for this app.", "path": ["webPixel"]}
    respx.post(URL).respond(json={"data": {"webPixel": None}, "errors": [none]})
    assert pixels.look(client) is None
    respx.post(URL).respond(json={"errors": [{"message": "Field 'webPixel' doesn't exist"}]})
    with pytest.raises(Rejected):
        pixels.look(client)


@respx.mock
def test_a_permission_that_is_missing_is_no_missing_pixel(client: ShopifyClient) -> None:
    denied = {"message": "Access denied for webPixel field.", "extensions": {"code": "ACCESS_DENIED"}}
    respx.post(URL).respond(json={"data": {"webPixel": None}, "errors": [denied]})
    with pytest.raises(Unauthorized) as refused:
        pixels.look(client)
    assert refused.value.code == "sh_scope_missing"


@respx.mock
def test_made_with_the_settings_as_text(client: ShopifyClient) -> None:
    route = says(webPixelCreate={"webPixel": {"id": PIXEL, "settings": TEXT}, "userErrors": []})
    assert pixels.create(client, WISHED) == pixels.WebPixel(PIXEL, WISHED)
    assert sent(route) == {"webPixel": {"settings": TEXT}}


@respx.mock
def test_one_that_is_there_already_or_gone_is_looked_at_again(client: ShopifyClient) -> None:
    refuses("webPixelCreate", "TAKEN")
    assert pixels.create(client, WISHED) is None
    refuses("webPixelUpdate", "NOT_FOUND")
    assert pixels.update(client, PIXEL, WISHED) is None


@respx.mock
@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("NO_EXTENSION", "pixel_no_extension"),
        ("INVALID_SETTINGS", "pixel_other_version"),
        ("INVALID_SETTINGS_DEFINITION", "pixel_other_version"),
        ("UNEXPECTED_ERROR", "pixel_refused"),
    ],
)
def test_a_refusal_has_a_cause_and_shopifys_words(client: ShopifyClient, code: str, cause: str) -> None:
    for name, call in (
        ("webPixelCreate", lambda: pixels.create(client, WISHED)),
        ("webPixelUpdate", lambda: pixels.update(client, PIXEL, WISHED)),
    ):
        refuses(name, code)
        with pytest.raises(Rejected) as refused:
            call()
        assert (refused.value.code, refused.value.detail) == (cause, f"{code} in words")


@respx.mock
def test_an_answer_without_a_pixel_is_a_refusal(client: ShopifyClient) -> None:
    says(webPixelCreate={"webPixel": None, "userErrors": []})
    with pytest.raises(Rejected):
        pixels.create(client, WISHED)


@respx.mock
def test_removing_what_is_gone_is_as_good(client: ShopifyClient) -> None:
    says(webPixelDelete={"deletedWebPixelId": PIXEL, "userErrors": []})
    pixels.delete(client, PIXEL)
    refuses("webPixelDelete", "NOT_FOUND")
    pixels.delete(client, PIXEL)
    refuses("webPixelDelete", "UNEXPECTED_ERROR")
    with pytest.raises(Rejected):
        pixels.delete(client, PIXEL)


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        ("read_customers,write_pixels, read_customer_events", ()),
        ("write_pixels", ("read_customer_events",)),
        ("read_pixels,read_customer_events", ("write_pixels",)),
        ("", ("write_pixels", "read_customer_events")),
    ],
)
def test_what_a_shop_has_to_grant(scopes: str, missing: tuple[str, ...]) -> None:
    assert pixels.missing(scopes) == missing
