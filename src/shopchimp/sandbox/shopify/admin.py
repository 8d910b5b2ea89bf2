"""The fake admin: shops, customers to look at and edit, and the app in its frame."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from jinja2 import Environment, FunctionLoader, StrictUndefined

from shopchimp.sandbox.shopify.consent import WRITABLE
from shopchimp.sandbox.shopify.editing import STATES, change_customer
from shopchimp.sandbox.shopify.fields import display_name, iso, iso_or_none
from shopchimp.sandbox.shopify.listing import count_customers, list_customers
from shopchimp.sandbox.shopify.oauth import AppIdentity, admin_host, session_token, signed_query
from shopchimp.sandbox.shopify.shop import Shop
from shopchimp.sandbox.shopify.store import Customer
from shopchimp.sandbox.shopify.wire import Reply, Request, html, redirect, script

SHOWN: Final = 50
_PAGES: Final = files("shopchimp.sandbox").joinpath("pages")


def page(shops: Mapping[str, Shop], app: AppIdentity, request: Request) -> Reply:
    parts = request.path.strip("/").split("/")
    if parts == [""]:
        return _render("shops.html", shops=list(shops.values()), app=app)
    if parts == ["app-bridge.js"]:
        return script(_text("app-bridge.js"))
    shop = shops.get(f"{parts[1]}.myshopify.com") if parts[0] == "store" and len(parts) > 1 else None
    if shop is None:
        return _missing()
    match request.method, parts[2:]:
        case "GET", [] | ["customers"]:
            return _customers(shop, request.query)
        case "GET", ["customers", number]:
            return _customer(shop, number)
        case "POST", ["customers", number]:
            return _change(shop, number, request.body)
        case "GET", ["apps", _, *inside]:
            return _framed(shop, app, "/".join(inside), request)
        case "POST", ["uninstall"]:
            shop.uninstall()
            return redirect(f"/store/{shop.name}/customers", 303)
        case _:
            return _missing()


def _customers(shop: Shop, query: Mapping[str, str]) -> Reply:
    words, after = query.get("query", ""), query.get("after")
    found = list_customers(shop.customers, {"query": words, "first": SHOWN, "after": after, "sortKey": "ID"})
    total = count_customers(shop.customers, {"query": words, "limit": None})
    more = urlencode({"query": words, "after": found.page_info["endCursor"]}) if found.has_next else None
    return _render("customers.html", shop=shop, found=found.nodes, query=words, total=total, more=more)


def _customer(shop: Shop, number: str, problem: str | None = None) -> Reply:
    customer = _numbered(shop, number)
    if customer is None:
        return _missing()
    return _render("customer.html", shop=shop, customer=customer, states=STATES, writable=WRITABLE, problem=problem)


def _change(shop: Shop, number: str, body: bytes) -> Reply:
    customer = _numbered(shop, number)
    if customer is None:
        return _missing()
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    values: dict[str, Any] = {name: form[name] for name in ("firstName", "lastName") if name in form}
    before = {"firstName": customer.first_name or "", "lastName": customer.last_name or ""}
    values = {name: value for name, value in values.items() if value != before[name]}
    if form.get("marketingState", customer.email_state) != customer.email_state:
        values["marketingState"] = form["marketingState"]
    try:
        change_customer(shop.customers, customer, values)
    except ValueError as error:
        return _customer(shop, number, str(error))
    return redirect(f"/store/{shop.name}/customers/{number}", 303)


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
    return html(200, _environment().get_template(name).render(values))


@cache
def _environment() -> Environment:
    environment = Environment(loader=FunctionLoader(_text), autoescape=True, undefined=StrictUndefined)
    environment.globals.update(iso=iso, iso_or_none=iso_or_none, display_name=display_name)
    return environment


def _text(name: str) -> str:
    return _PAGES.joinpath(name).read_text(encoding="utf-8")
