"""What Mailchimp's refusals of orders, carts and products mean, by status, route and sentence."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import orjson
import pytest
import respx

from shopchimp.domain.causes import CAUSES
from shopchimp.domain.commerce.results import Kind, Step
from shopchimp.domain.errors import Gone, PlatformError, RateLimited, Rejected, StoreGone, Unauthorized, Unavailable
from shopchimp.mailchimp import ecommerce
from shopchimp.mailchimp.client import MailchimpClient, classify, classify_commerce, error_of

ROOT = "https://us6.api.mailchimp.com/3.0"
STORE = f"{ROOT}/ecommerce/stores/s1"
ROUTE = "/ecommerce/stores/{store_id}"


@pytest.fixture
def client() -> Iterator[MailchimpClient]:
    with httpx.Client(trust_env=False) as http:
        yield MailchimpClient(http, api_root=ROOT.removesuffix("/3.0"), token="t")


def problem(status: int, detail: str, *errors: tuple[str, str]) -> httpx.Response:
    listed = [{"field": field, "message": message} for field, message in errors]
    return httpx.Response(status, json={"title": "Bad Request", "status": status, "detail": detail, "errors": listed})


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("A product with the provided ID does not exist in the account for this store.", "mc_product_missing"),
        ("A product variant with the provided ID does not exist in the account.", "mc_product_missing"),
        ("A customer with the provided ID does not exist in the account for this store.", "mc_customer_missing"),
        ("customer.email_address: This value should not be blank.", "mc_customer_missing"),
        ("A cart with the provided ID already exists in the account for this list.", "mc_exists"),
        ("A product with the provided ID already exists in the account for this list.", "mc_exists"),
        ("rosa@example.com was not found in audience.", "mc_not_in_audience"),
        ("The email address of an existing customer may not be changed.", "mc_email_fixed"),
        ("A store with the provided domain already exists in the account.", "mc_store_domain_taken"),
        ("rosa@example.com is in a compliance state due to unsubscribe", "mc_compliance_state"),
        ("rosa@example.com was permanently deleted and cannot be re-imported.", "mc_forgotten"),
        ("required@example.com looks fake or invalid, please enter a real email address.", "mc_email_refused"),
        ("lines: This field is required.", "mc_rejected"),
        ("Your merge fields were invalid.", "mc_rejected"),
        ("order_url: This value is not a valid URL.", "mc_rejected"),
    ],
)
def test_the_sentence_of_a_refusal(sentence: str, code: str) -> None:
    assert classify_commerce(sentence) == code
    assert code in CAUSES  # words for the merchant


def test_of_contacts_the_same_words_mean_what_they_meant() -> None:
    assert classify("Your merge fields were invalid.") == "mc_field_value"
    assert classify("A store with the provided ID already exists") == "mc_rejected"


@pytest.mark.parametrize(
    ("method", "route", "kind", "code"),
    [
        ("GET", ROUTE, StoreGone, "mc_store_gone"),
        ("PATCH", ROUTE, StoreGone, "mc_store_gone"),
        ("POST", f"{ROUTE}/carts", StoreGone, "mc_store_gone"),
        ("GET", f"{ROUTE}/products", StoreGone, "mc_store_gone"),
        ("POST", f"{ROUTE}/promo-rules", StoreGone, "mc_store_gone"),
        ("PUT", f"{ROUTE}/orders/{{order_id}}", StoreGone, "mc_store_gone"),
        ("PUT", f"{ROUTE}/customers/{{customer_id}}", StoreGone, "mc_store_gone"),
        ("GET", f"{ROUTE}/orders/{{order_id}}", Rejected, "mc_not_found"),
        ("DELETE", f"{ROUTE}/carts/{{cart_id}}", Rejected, "mc_not_found"),
        ("PATCH", f"{ROUTE}/promo-rules/{{promo_rule_id}}", Rejected, "mc_not_found"),
        ("DELETE", f"{ROUTE}/orders/{{order_id}}/lines/{{line_id}}", Rejected, "mc_not_found"),
        ("POST", f"{ROUTE}/carts/{{cart_id}}/lines", Rejected, "mc_not_found"),
        ("POST", f"{ROUTE}/products/{{product_id}}/variants", Rejected, "mc_product_missing"),
        ("PUT", f"{ROUTE}/products/{{product_id}}/variants/{{variant_id}}", Rejected, "mc_product_missing"),
        ("POST", f"{ROUTE}/promo-rules/{{promo_rule_id}}/promo-codes", Rejected, "mc_rule_missing"),
        ("PATCH", f"{ROUTE}/promo-rules/{{promo_rule_id}}/promo-codes/{{promo_code_id}}", Rejected, "mc_not_found"),
        ("GET", "/batches/{batch_id}", Rejected, "mc_not_found"),
        ("GET", "/lists/{list_id}/members/{subscriber_hash}", Rejected, "mc_not_found"),
        ("GET", "/lists/{list_id}", Gone, "mc_audience_gone"),
    ],
)
def test_what_is_not_there(method: str, route: str, kind: type[PlatformError], code: str) -> None:
    error = error_of(404, {"title": "Resource Not Found"}, method, route)
    assert type(error) is kind
    assert error.code == code


@pytest.mark.parametrize(
    ("status", "problem", "kind"),
    [
        (429, {}, RateLimited),
        (403, None, RateLimited),
        (403, {"title": "Forbidden"}, Unauthorized),
        (401, {"title": "API Key Invalid"}, Unauthorized),
        (500, {}, Unavailable),
        (0, None, Unavailable),
        (400, {"detail": "The list of this store is not active any more."}, Gone),
        (405, {"detail": "A product with the provided ID does not exist"}, Rejected),
    ],
)
def test_the_status_decides_who_can_mend_it(
    status: int, problem: dict[str, str] | None, kind: type[PlatformError]
) -> None:
    error = error_of(status, problem, "PUT", f"{ROUTE}/orders/{{order_id}}")
    assert type(error) is kind
    assert status != 405 or error.code == "mc_rejected"


# ------------------------------------------------------------------ second ways


def step(kind: Kind, **body: object) -> Step:
    return Step(kind, {"id": "1", **body}, parent="r" if kind is Kind.PROMO_CODE else None)


@respx.mock
def test_s64_a_known_code_is_changed_and_an_unknown_one_made(client: MailchimpClient) -> None:
    codes = f"{STORE}/promo-rules/r/promo-codes"
    patch = respx.patch(f"{codes}/1").respond(404, json={"title": "Resource Not Found"})
    post = respx.post(codes).respond(json={})
    code = step(Kind.PROMO_CODE, code="SAVE", redemption_url="https://shop.test")
    ecommerce.write(client, "s1", code, known=True)
    assert orjson.loads(patch.calls.last.request.content) == {"code": "SAVE", "redemption_url": "https://shop.test"}
    assert orjson.loads(post.calls.last.request.content) == code.body
    post.mock(problem(400, "A promo code with the provided ID already exists in the account for this list."))
    patch.respond(json={})
    ecommerce.write(client, "s1", code)
    assert (patch.call_count, post.call_count) == (2, 2)


@respx.mock
def test_an_address_that_changed_makes_the_customer_anew(client: MailchimpClient) -> None:
    """S15: the customer's orders stay, for they name the id."""
    put = respx.put(f"{STORE}/customers/1")
    put.side_effect = [
        problem(400, "The email address of an existing customer may not be changed."),
        httpx.Response(200, json={}),
    ]
    delete = respx.delete(f"{STORE}/customers/1").respond(204)
    ecommerce.write(client, "s1", step(Kind.CUSTOMER, email_address="new@example.com", opt_in_status=False))
    assert (put.call_count, delete.call_count) == (2, 1)


@respx.mock
def test_a_refusal_that_is_none_of_these_is_raised(client: MailchimpClient) -> None:
    respx.put(f"{STORE}/orders/1").mock(problem(400, "A product with the provided ID does not exist in the account."))
    with pytest.raises(Rejected) as refused:
        ecommerce.write(client, "s1", step(Kind.ORDER, lines=[]))
    assert refused.value.code == "mc_product_missing"
    respx.post(f"{STORE}/promo-rules").mock(problem(400, "amount: This value should be a positive number."))
    with pytest.raises(Rejected):
        ecommerce.write(client, "s1", step(Kind.PROMO_RULE))


@respx.mock
def test_a_cart_that_is_the_same_already_costs_one_look(client: MailchimpClient) -> None:
    line = {"id": "a", "product_id": "p", "product_variant_id": "v", "quantity": 1, "price": 5.0}
    cart = step(Kind.CART, customer={"id": "c"}, currency_code="EUR", order_total=5.0, lines=[line])
    respx.post(f"{STORE}/carts").mock(problem(400, "A cart with the provided ID already exists in the account."))
    respx.get(f"{STORE}/carts/1").respond(json={**cart.body, "customer": {"id": "c", "email_address": "r@x.test"}})
    ecommerce.write(client, "s1", cart)
    assert client.calls.total() == 2


@respx.mock
def test_ids_are_spelt_so_that_they_stay_one_part_of_the_path(client: MailchimpClient) -> None:
    route = respx.delete(url=f"{STORE}/orders/a%2Fb%3Fc").respond(204)
    ecommerce.delete(client, "s1", Kind.ORDER, "a/b?c")
    assert route.called


def test_what_lies_within_a_parent_needs_it() -> None:
    with pytest.raises(ValueError, match="without its parent"):
        ecommerce.deletion_of("s1", Kind.PROMO_CODE, "1")
    ids = {ecommerce.operation_id(Kind.PROMO_CODE, "1", parent) for parent in ("r1", "r2")}
    assert len(ids) == 2
