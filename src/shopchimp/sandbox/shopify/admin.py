"""The fake admin: shops, customers to look at and edit, and the app in its frame."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from graphql import GraphQLError

from shopchimp.sandbox.shopify.consent import WRITABLE
from shopchimp.sandbox.shopify.editing import SMS_STATES, STATES, change_customer, create_customer
from shopchimp.sandbox.shopify.listing import count_customers, list_customers
from shopchimp.sandbox.shopify.oauth import AppIdentity, admin_host, session_token, signed_query
from shopchimp.sandbox.shopify.rendering import form_of, page_text, rendered
from shopchimp.sandbox.shopify.shop import Shop
from shopchimp.sandbox.shopify.store import Customer
from shopchimp.sandbox.shopify.wire import Reply, Request, html, redirect, script

SHOWN: Final = 50
_ON_FORM: Final = ("firstName", "lastName", "email", "phone", "marketingState", "smsMarketingState", "tags")


def page(shops: Mapping[str, Shop], app: AppIdentity, request: Request) -> Reply:
    parts = request.path.strip("/").split("/")
    if parts == [""]:
        return _render("shops.html", shops=list(shops.values()), app=app)
    if parts == ["app-bridge.js"]:
        return script(page_text("app-bridge.js"))
    shop = shops.get(f"{parts[1]}.myshopify.com") if parts[0] == "store" and len(parts) > 1 else None
    if shop is None:
        return _missing()
    match request.method, parts[2:]:
        case "GET", [] | ["customers"]:
            return _customers(shop, request.query)
        case "GET", ["customers", "new"]:
            return _new_customer(shop, {})
        case "POST", ["customers", "new"]:
            return _create(shop, request)
        case "POST", ["customers", number, "delete"]:
            return _delete(shop, number)
        case "GET", ["customers", number]:
            return _customer(shop, number)
        case "POST", ["customers", number]:
            return _change(shop, number, request)
        case "GET", ["apps", _, *inside]:
            return _framed(shop, app, "/".join(inside), request)
        case "POST", ["uninstall"]:
            shop.uninstall()
            return redirect(f"/store/{shop.name}/customers", 303)
        case _:
            return _looked_at(shop, request.method, parts[2:], request.query)


def _looked_at(shop: Shop, method: str, parts: list[str], query: Mapping[str, str]) -> Reply:
    """Pages on which nothing is changed."""
    match method, parts:
        case "GET", ["segments"]:
            return _segments(shop, query)
        case "GET", ["marketing"]:
            return _render("marketing.html", shop=shop, activities=list(shop.marketing.activities.values())[::-1])
        case _:
            return _missing()


def _customers(shop: Shop, query: Mapping[str, str]) -> Reply:
    words, after = query.get("query", ""), query.get("after")
    found = list_customers(shop.customers, {"query": words, "first": SHOWN, "after": after, "sortKey": "ID"})
    total = count_customers(shop.customers, {"query": words, "limit": None})
    more = urlencode({"query": words, "after": found.page_info["endCursor"]}) if found.has_next else None
    return _render("customers.html", shop=shop, found=found.nodes, query=words, total=total, more=more)


def _segments(shop: Shop, query: Mapping[str, str]) -> Reply:
    """Whom a segment's query finds."""
    words = query.get("query", "")
    shown: dict[str, Any] = {"query": words, "filters": shop.segments.filters({"first": 250}).nodes}
    try:
        members = shop.segments.members({"query": words, "first": SHOWN})
    except GraphQLError as error:
        return _render("segments.html", shop=shop, problem=error.message, **shown)
    shown |= {"found": members.nodes, "count": members.extra["totalCount"], "problem": None}
    return _render("segments.html", shop=shop, **shown)


def _customer(shop: Shop, number: str, problem: str | None = None) -> Reply:
    customer = _numbered(shop, number)
    if customer is None:
        return _missing()
    shown = {"states": STATES, "sms_states": SMS_STATES, "writable": WRITABLE, "problem": problem}
    return _render("customer.html", shop=shop, customer=customer, **shown)


def _change(shop: Shop, number: str, request: Request) -> Reply:
    """What the form says otherwise than the customer; fields that are not in it stay."""
    customer = _numbered(shop, number)
    if customer is None:
        return _missing()
    before = {
        "firstName": customer.first_name or "",
        "lastName": customer.last_name or "",
        "email": customer.email or "",
        "phone": customer.phone or "",
        "tags": ", ".join(customer.tags),
        "marketingState": customer.email_state,
        "smsMarketingState": customer.sms_state,
    }
    form = form_of(request)
    values = {name: form[name] for name, shown in before.items() if form.get(name, shown) != shown}
    try:
        change_customer(shop.customers, customer, _with_tags(values))
    except ValueError as error:
        return _customer(shop, number, str(error))
    return redirect(f"/store/{shop.name}/customers/{number}", 303)


def _new_customer(shop: Shop, given: Mapping[str, str], problem: str | None = None) -> Reply:
    shown = {**dict.fromkeys(_ON_FORM, ""), **given}
    return _render("customer_new.html", shop=shop, given=shown, writable=WRITABLE, problem=problem)


def _create(shop: Shop, request: Request) -> Reply:
    form = form_of(request)
    values = {name: value for name, value in form.items() if value}
    try:
        customer = create_customer(shop.customers, _with_tags(values))
    except ValueError as error:
        return _new_customer(shop, form, str(error))
    return redirect(f"/store/{shop.name}/customers/{customer.number}", 303)


def _delete(shop: Shop, number: str) -> Reply:
    """Refused like the API's: somebody with orders stays."""
    customer = _numbered(shop, number)
    if customer is None:
        return _missing()
    if customer.orders:
        return _customer(shop, number, "Customer can’t be deleted because they have associated orders")
    shop.customers.delete(customer)
    return redirect(f"/store/{shop.name}/customers", 303)


def _with_tags(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: [value] if name == "tags" else value for name, value in values.items()}


def _framed(shop: Shop, app: AppIdentity, inside: str, request: Request) -> Reply:
    """The admin's page around the app; the parameters are those of a first load (shopify.md 4.1 and 4.2)."""
    parameters = {
        **request.query,
        "embedded": "1",
        "host": admin_host(shop.domain),
        "id_token": session_token(app, shop.domain, now=request.now),
        "locale": "en",
        "shop": shop.domain,
        "timestamp": str(int(request.now)),
    }
    source = f"{app.url.rstrip('/')}/{inside}?{signed_query(app, parameters)}"
    parts = urlsplit(app.url)
    return _render("frame.html", shop=shop, app=app, source=source, origin=f"{parts.scheme}://{parts.netloc}")


def _numbered(shop: Shop, number: str) -> Customer | None:
    return shop.customers.by_number.get(int(number)) if number.isdecimal() else None


def _missing() -> Reply:
    return html(404, "<!DOCTYPE html><title>Not found</title><p>There is nothing here. <a href='/'>All shops</a></p>")


def _render(name: str, **values: Any) -> Reply:
    return html(200, rendered(name, **values))
