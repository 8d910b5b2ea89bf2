"""The shop as its visitors see it: products, search, collections, cart, checkout, payment, and a privacy banner.

It stands under the shop's domain (`/demo-store.myshopify.com/products/...`). Everything a visitor does happens in the
sandbox's shop as well, with its webhooks, and is published to the app's web pixel by pages/storefront.js, which runs
the extension's own code in a web worker. Nothing is remembered of a visitor here: their browser keeps cart and consent.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from markupsafe import Markup

from shopchimp.sandbox.shopify import checkout_editing
from shopchimp.sandbox.shopify.checkouts import Cart, Checkout
from shopchimp.sandbox.shopify.customer_rules import EMAIL
from shopchimp.sandbox.shopify.editing import change_customer, create_customer
from shopchimp.sandbox.shopify.goods import Product
from shopchimp.sandbox.shopify.money import amount
from shopchimp.sandbox.shopify.rendering import form_of, page_text, rendered
from shopchimp.sandbox.shopify.sales import Order
from shopchimp.sandbox.shopify.shop import Shop
from shopchimp.sandbox.shopify.storefront_data import (
    SHOWN_IN_LISTS,
    Data,
    cart_data,
    checkout_data,
    customer_data,
    line_data,
    listed,
    variant_data,
)
from shopchimp.sandbox.shopify.wire import Reply, Request, html, json_reply, redirect, script

FIRST_COLLECTION: Final = 600_000_000_000
SCRIPTS: Final = frozenset({"storefront.js", "pixel-worker.js", "register.js"})
REGISTER: Final = '"@shopify/web-pixels-extension"'  # what the extension's index.js imports

Happening = tuple[str, Data]  # an event's name, and its data


def page(shop: Shop, request: Request) -> Reply:
    parts = request.path.strip("/").split("/")[1:]
    match request.method, parts:
        case "GET", []:
            name = shop.name.replace("-", " ").title()
            return _render(shop, "store_home.html", name, [], products=_on_sale(shop)[:SHOWN_IN_LISTS])
        case "GET", ["products", handle]:
            return _product(shop, handle, request)
        case "GET", ["collections", handle]:
            return _collection(shop, handle)
        case "GET", ["search"]:
            return _search(shop, request.query.get("q", ""))
        case "GET", ["cart"]:
            return _cart(shop, request.query.get("token", ""))
        case "POST", ["cart", "add"]:
            return _add_to_cart(shop, form_of(request))
        case "POST", ["cart", "checkout"]:
            return _start_checkout(shop, form_of(request))
        case _, ["checkouts", "cn", token, *step]:
            return _checkout(shop, token, request, *step)
        case "GET", ["account", "login"]:
            return _render(shop, "store_login.html", "Log in", [])
        case "POST", ["account", "login"]:
            return _log_in(shop, form_of(request))
        case "GET", ["web-pixel", name]:
            return _script(shop, name)
        case _:
            return _missing(shop)


def _product(shop: Shop, handle: str, request: Request) -> Reply:
    product = next((each for each in shop.commerce.products if each.handle == handle and _published(each)), None)
    if product is None or not product.variants:
        return _missing(shop)
    wanted = request.query.get("variant", "")
    variant = next((each for each in product.variants if str(each.number) == wanted), product.variants[0])
    happened = ("product_viewed", {"productVariant": variant_data(variant)})
    return _render(shop, "store_product.html", product.title, [happened], product=product, chosen=variant)


def _collection(shop: Shop, handle: str) -> Reply:
    found = next((each for each in _collections(shop) if each["handle"] == handle), None)
    if found is None:
        return _missing(shop)
    products = _on_sale(shop)
    if handle != "all":
        products = [each for each in products if each.kind == found["title"]]
    products = products[:SHOWN_IN_LISTS]
    about = {"id": found["id"], "title": found["title"], "productVariants": listed(products)}
    return _render(
        shop,
        "store_list.html",
        found["title"],
        [("collection_viewed", {"collection": about})],
        products=products,
        query=None,
    )


def _search(shop: Shop, query: str) -> Reply:
    words = query.lower().split()
    found = [each for each in _on_sale(shop) if all(word in f"{each.title} {each.kind}".lower() for word in words)]
    found = found[:SHOWN_IN_LISTS] if words else []
    result = {"query": query, "productVariants": listed(found)}
    happened: list[Happening] = [("search_submitted", {"searchResult": result})] if words else []
    return _render(
        shop, "store_list.html", f"Search: {query}" if words else "Search", happened, products=found, query=query
    )


def _cart(shop: Shop, token: str) -> Reply:
    cart = shop.commerce.carts.get(token)
    happened = ("cart_viewed", {"cart": cart_data(cart) if cart else None})
    return _render(shop, "store_cart.html", "Your cart", [happened], cart=cart)


def _add_to_cart(shop: Shop, form: Mapping[str, str]) -> Reply:
    """A cart of its own for who has none; the answer is what the page publishes."""
    try:
        wanted = {"variant": int(form["variant"]), "quantity": max(1, int(form.get("quantity") or 1))}
        cart = _filled(shop, shop.commerce.carts.get(form.get("cart", "")), wanted)
    except (LookupError, ValueError) as error:
        return json_reply(400, {"error": str(error)})
    added = next(line for line in cart.lines if line.variant.number == wanted["variant"])
    line = {**line_data(added), "quantity": wanted["quantity"]}
    return json_reply(200, {"cart": cart_data(cart), "cartLine": line})


def _filled(shop: Shop, cart: Cart | None, wanted: Mapping[str, int]) -> Cart:
    if cart is None:
        made = checkout_editing.create_cart(shop, {"lines": [wanted]})
        return shop.commerce.carts[made["token"]]
    pieces = {line.variant.number: line.quantity for line in cart.lines}
    pieces[wanted["variant"]] = pieces.get(wanted["variant"], 0) + wanted["quantity"]
    lines = [{"variant": number, "quantity": quantity} for number, quantity in pieces.items()]
    checkout_editing.update_cart(shop, {"id": cart.token, "lines": lines})
    return cart


def _start_checkout(shop: Shop, form: Mapping[str, str]) -> Reply:
    cart = shop.commerce.carts.get(form.get("cart", ""))
    if cart is None or not cart.lines:
        return _missing(shop)
    number = form.get("customer", "")
    known = number.isdecimal() and int(number) in shop.customers.by_number
    who = {"customer_id": number} if known else {}
    made = checkout_editing.create_checkout(shop, {"cart_token": cart.token, **who})
    return redirect(f"/{shop.domain}/checkouts/cn/{made['token']}/information", 303)


def _checkout(shop: Shop, token: str, request: Request, step: str = "information") -> Reply:
    checkout = next((each for each in shop.commerce.checkouts if each.token == token), None)
    if checkout is None:
        return _missing(shop)
    here = f"/{shop.domain}/checkouts/cn/{token}"
    match request.method, step:
        case "GET", "information":
            happened = ("checkout_started", {"checkout": checkout_data(checkout)})
            return _render(shop, "store_information.html", "Checkout", [happened], checkout=checkout, problem=None)
        case "POST", "information":
            form = form_of(request)
            email = form.get("email", "").strip()
            if not EMAIL.fullmatch(email):
                problem = "Enter a valid email"
                return _render(shop, "store_information.html", "Checkout", [], checkout=checkout, problem=problem)
            given = {"id": token, "email": email, "accepts_marketing": "accepts_marketing" in form}
            checkout_editing.update_checkout(shop, given)
            return redirect(f"{here}/payment", 303)
        case "GET", "payment":
            happened = ("checkout_contact_info_submitted", {"checkout": checkout_data(checkout)})
            return _render(shop, "store_payment.html", "Payment", [happened], checkout=checkout)
        case "POST", "payment":
            return json_reply(200, {"checkout": _paid(shop, checkout)})
        case "GET", "thank-you" if checkout.completed is not None:
            happened = ("checkout_completed", {"checkout": checkout_data(checkout, _order_of(shop, checkout))})
            return _render(shop, "store_thanks.html", "Thank you", [happened], checkout=checkout)
        case _:
            return _missing(shop)


def _paid(shop: Shop, checkout: Checkout) -> Data:
    """Who pays becomes a customer; who ticked the box is subscribed."""
    before = checkout_data(checkout)
    if checkout.completed is None:
        if checkout.customer is None and checkout.email:
            found = shop.customers.with_email(checkout.email)
            checkout.customer = found or create_customer(shop.customers, {"email": checkout.email})
        if checkout.accepts_marketing and checkout.customer is not None and checkout.customer.email:
            change_customer(shop.customers, checkout.customer, {"marketingState": "SUBSCRIBED"})
        checkout_editing.complete_checkout(shop, {"id": checkout.token})
    return before


def _order_of(shop: Shop, checkout: Checkout) -> Order | None:
    orders = reversed(list(shop.commerce.orders))
    return next((each for each in orders if each.checkout_token == checkout.token), None)


def _log_in(shop: Shop, form: Mapping[str, str]) -> Reply:
    """Nobody's password is asked for: everyone here is invented."""
    customer = shop.customers.with_email(form.get("email", ""))
    if customer is None:
        return json_reply(404, {"error": "No customer has this email address"})
    return json_reply(200, {"customer": customer_data(customer)})


def _script(shop: Shop, name: str) -> Reply:
    """The extension's own files, and ours around them; its import of Shopify's package finds ours, as in a bundle."""
    if name in SCRIPTS:
        return script(page_text(name))
    extension = shop.pixels.extension
    file = None if extension is None else extension.code / PurePosixPath(name).name
    if file is None or not file.is_file():
        return _missing(shop)
    return script(file.read_text(encoding="utf-8").replace(REGISTER, '"./register.js"'))


def _pixels(shop: Shop) -> Iterator[Data]:
    """The app's pixel once the app has made it."""
    extension, settings = shop.pixels.extension, shop.pixels.settings
    if extension is None or settings is None:
        return
    yield {
        "name": extension.handle,
        "source": f"/{shop.domain}/web-pixel/index.js",
        "settings": settings,
        "needs": {
            "analytics": extension.analytics,
            "marketing": extension.marketing,
            "preferences": extension.preferences,
            "saleOfData": extension.sale_of_data == "enabled",
        },
    }


def _collections(shop: Shop) -> list[Data]:
    """All, and one for each kind of product."""
    kinds = sorted({each.kind for each in _on_sale(shop) if each.kind})
    named = [("all", "Products"), *((kind.lower().replace(" ", "-"), kind) for kind in kinds)]
    return [
        {"id": str(FIRST_COLLECTION + number), "handle": handle, "title": title}
        for number, (handle, title) in enumerate(named, start=1)
    ]


def _published(product: Product) -> bool:
    return product.published is not None and product.status in ("ACTIVE", "UNLISTED")


def _on_sale(shop: Shop) -> list[Product]:
    return [each for each in shop.commerce.products if _published(each) and each.status == "ACTIVE" and each.variants]


def _missing(shop: Shop) -> Reply:
    status, headers, content = _render(shop, "store_missing.html", "Page not found", [])
    return 404 if status == 200 else status, headers, content


def _render(shop: Shop, name: str, title: str, happened: list[Happening], **values: Any) -> Reply:
    """Every page is a page view; what else happened on it follows."""
    store = {
        "root": f"/{shop.domain}",
        "origin": f"https://{shop.domain}",
        "shop": {
            "name": shop.name,
            "myshopifyDomain": shop.domain,
            "countryCode": "US",
            "storefrontUrl": f"https://{shop.domain}",
            "paymentSettings": {"currencyCode": "USD"},
        },
        "pixels": list(_pixels(shop)),
        "happened": [{"name": each, "data": data} for each, data in [("page_viewed", {}), *happened]],
    }
    shown = {"shop": shop, "title": title, "store": store, "collections": _collections(shop), "price": _price, **values}
    return html(200, rendered(name, **shown))


def _price(cents: int) -> Markup:
    return Markup("$") + amount(cents)
