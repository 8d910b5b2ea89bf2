"""The sandbox's storefront: what its pages publish, and that cart, checkout and payment really happen in the shop."""

import json
import re

import pytest
from shopify_port import DOMAIN, Api

from shopchimp.sandbox.shopify.opening import Opening, open_commerce
from shopchimp.sandbox.shopify.storefront import page
from shopchimp.sandbox.shopify.wire import Request

SETTINGS = {"accountID": "acc_1", "endpoint": "https://app.example.com/pixel/v1/events"}


class Store:
    """A shop's storefront without a network."""

    def __init__(self):
        self.api = Api(20)
        open_commerce(self.api.shop, Opening(invented_products=10))
        self.api.shop.commerce.open()
        self.topics = []
        self.api.shop.commerce.announce = lambda topic, *_: self.topics.append(topic)
        self.product = next(
            each for each in self.api.shop.commerce.products if each.status == "ACTIVE" and each.published
        )

    def ask(self, method, path, **given):
        form = "&".join(f"{name}={value}" for name, value in given.items()).encode()
        path, _, query = path.partition("?")
        request = Request(method, f"/{DOMAIN}{path}", query.encode(), {}, form, self.api.clock())
        status, headers, body = page(self.api.shop, request)
        return status, dict(headers), body.decode()

    def page(self, path):
        """What the page tells its script."""
        status, _, body = self.ask("GET", path)
        assert status == 200
        return json.loads(re.search(r'id="store">(.*?)</script>', body, re.DOTALL)[1])

    def happened(self, path):
        return {each["name"]: each["data"] for each in self.page(path)["happened"]}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("", ["page_viewed"]),
        ("/products/{handle}", ["page_viewed", "product_viewed"]),
        ("/collections/all", ["page_viewed", "collection_viewed"]),
        ("/search?q={title}", ["page_viewed", "search_submitted"]),
        ("/search?q=", ["page_viewed"]),
        ("/cart", ["page_viewed", "cart_viewed"]),
        ("/account/login", ["page_viewed"]),
    ],
)
def test_what_happens_on_a_page(path, names):
    store = Store()
    assert list(store.happened(path.format(handle=store.product.handle, title=store.product.title.split()[1]))) == names


def test_events_have_the_shape_of_web_pixels():
    store = Store()
    variant = store.happened(f"/products/{store.product.handle}")["product_viewed"]["productVariant"]
    assert variant["product"]["id"] == str(store.product.number)
    assert variant["price"] == {"amount": store.product.variants[0].price / 100, "currencyCode": "USD"}
    found = store.happened(f"/search?q={store.product.title.split()[1]}")["search_submitted"]["searchResult"]
    assert str(store.product.number) in [each["product"]["id"] for each in found["productVariants"]]
    collection = store.happened("/collections/all")["collection_viewed"]["collection"]
    assert (collection["id"].isdecimal(), collection["title"]) == (True, "Products")


def test_a_draft_is_not_for_sale():
    store = Store()
    draft = next(each for each in store.api.shop.commerce.products if each.status == "DRAFT")
    assert store.ask("GET", f"/products/{draft.handle}")[0] == 404


def test_the_pixel_is_there_once_the_app_has_made_it():
    store = Store()
    assert store.page("")["pixels"] == []
    store.api.shop.pixels.create(SETTINGS)
    (pixel,) = store.page("")["pixels"]
    assert pixel["settings"] == SETTINGS
    assert pixel["needs"] == {"analytics": False, "marketing": True, "preferences": False, "saleOfData": True}
    status, headers, code = store.ask("GET", "/web-pixel/index.js")
    assert (status, headers[b"content-type"]) == (200, b"text/javascript; charset=utf-8")
    assert '"./register.js"' in code
    own = store.api.shop.pixels.extension.code / "pixel.js"
    assert store.ask("GET", "/web-pixel/pixel.js")[2] == own.read_text()
    assert store.ask("GET", "/web-pixel/shopify.extension.toml")[0] == 404
    store.api.shop.uninstall()
    assert store.page("")["pixels"] == []


def test_a_purchase_from_cart_to_order():
    store = Store()
    variant = store.product.variants[0]
    answer = json.loads(store.ask("POST", "/cart/add", variant=variant.number, quantity=2)[2])
    token = answer["cart"]["token"]
    assert answer["cartLine"]["quantity"] == 2
    assert answer["cartLine"]["cost"]["totalAmount"]["amount"] == 2 * variant.price / 100
    again = json.loads(store.ask("POST", "/cart/add", variant=variant.number, quantity=1, cart=token)[2])
    assert (again["cart"]["totalQuantity"], again["cartLine"]["quantity"]) == (3, 1)
    where = store.ask("POST", "/cart/checkout", cart=token)[1][b"location"].decode().removeprefix(f"/{DOMAIN}")
    assert store.happened(where)["checkout_started"]["checkout"]["email"] is None
    assert "Enter a valid email" in store.ask("POST", where, email="nobody")[2]
    paying = store.ask("POST", where, email="nia@example.com", accepts_marketing="on")[1][b"location"].decode()
    paying = paying.removeprefix(f"/{DOMAIN}")
    thanks = paying.replace("/payment", "/thank-you")
    assert store.ask("GET", thanks)[0] == 404
    paid = json.loads(store.ask("POST", paying)[2])["checkout"]
    assert (paid["email"], paid["order"]) == ("nia@example.com", None)
    done = store.happened(thanks)["checkout_completed"]["checkout"]
    customer = store.api.shop.customers.with_email("nia@example.com")
    assert done["order"]["customer"] == {"id": str(customer.number), "isFirstOrder": True}
    assert customer.email_state == "SUBSCRIBED"
    topics = ["carts/create", "carts/update", "checkouts/create", "checkouts/update", "orders/create", "orders/paid"]
    assert [each for each in store.topics if each in topics][:6] == topics
    assert json.loads(store.ask("POST", paying)[2])["checkout"]["order"] is None
    assert len(store.api.shop.commerce.orders) == 1, "who pays twice has one order"


def test_who_is_logged_in_checks_out_as_themselves():
    store = Store()
    known = next(each for each in store.api.shop.customers if each.email)
    customer = json.loads(store.ask("POST", "/account/login", email=known.email)[2])["customer"]
    assert customer["id"] == str(known.number)
    assert store.ask("POST", "/account/login", email="nobody@example.com")[0] == 404
    added = json.loads(store.ask("POST", "/cart/add", variant=store.product.variants[0].number)[2])
    form = {"cart": added["cart"]["token"], "customer": customer["id"]}
    where = store.ask("POST", "/cart/checkout", **form)[1][b"location"].decode().removeprefix(f"/{DOMAIN}")
    assert store.happened(where)["checkout_started"]["checkout"]["email"] == known.email


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("GET", "/checkouts/cn/none"), ("POST", "/cart/checkout"), ("GET", "/products/none")],
)
def test_what_is_not_there_is_a_page_of_the_store(method, path):
    status, _, body = Store().ask(method, path)
    assert (status, "There is nothing here" in body) == (404, True)


def test_a_cart_takes_what_there_is_only():
    assert Store().ask("POST", "/cart/add", variant="1")[0] == 400
    assert Store().ask("POST", "/cart/add")[0] == 400
