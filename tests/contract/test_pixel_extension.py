"""The web pixel: its own tests, its configuration, and that what it sends is what the server reads (S42 to S52)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from shopchimp.config import DEFAULT_SCOPES
from shopchimp.domain.customer_events.addresses import APP_PAGES, PRIVATE_PAGES, page_address
from shopchimp.domain.customer_events.beacon import BEACON_BYTES, Beacon, read_beacon
from shopchimp.domain.customer_events.names import StoreEvent
from shopchimp.domain.customer_events.pixel import pixel_settings

ROOT = Path(__file__).parents[2]
PIXEL = ROOT / "extensions/shopchimp-pixel"
EXTENSION = tomllib.loads((PIXEL / "shopify.extension.toml").read_text())
APP = tomllib.loads((ROOT / "shopify.app.toml").read_text())

# What Shopify's CLI takes (4.8.2); it refuses an unknown table.
APP_KEYS = {
    "": {"client_id", "name", "handle", "application_url", "embedded", "extension_directories", "web_directories"},
    "build": {"automatically_update_urls_on_dev", "dev_store_url", "include_config_on_deploy"},
    "access": {"admin"},
    "access_scopes": {"scopes", "required_scopes", "optional_scopes", "use_legacy_install_flow"},
    "auth": {"redirect_urls"},
    "webhooks": {"api_version", "subscriptions"},
    "app_proxy": {"url", "subpath", "prefix"},
    "pos": {"embedded"},
}
EXTENSION_KEYS = {
    "name", "type", "uid", "handle", "version", "description", "runtime_context", "customer_privacy", "settings",
}  # fmt: skip

ALL_BEACONS = """
import { start } from "./src/pixel.js";
import { CUSTOMER, HAPPENINGS, happening, storefront } from "./test/shop.js";
const bodies = {};
let name;
globalThis.fetch = async (_, { body }) => { bodies[name] = body; };
const store = storefront({ customer: CUSTOMER });
start(store.api);
for (name of Object.keys(HAPPENINGS)) store.happens(happening(name));
console.log(JSON.stringify(bodies));
"""
ALL_ADDRESSES = """
import { address } from "./src/pixel.js";
const asked = JSON.parse(process.argv[1]);
console.log(JSON.stringify(asked.map((each) => address(each) ?? null)));
"""


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        assert os.environ.get("CI", "").lower() != "true", "node is missing, and CI must have it"
        pytest.skip("node is missing: it comes with npm")
    return found


def run(node: str, *arguments: str) -> str:
    done = subprocess.run([node, *arguments], cwd=PIXEL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_pixels_own_tests_pass(node: str) -> None:
    """S44 to S52, S112, with node's own test runner and no package."""
    out = run(node, "--test", "--test-reporter=tap", "test/pixel.test.js")
    assert int(out.split("# pass ")[1].split()[0]) >= 20
    assert "# fail 0" in out
    assert "# skipped 0" in out


def test_what_the_pixel_sends_is_what_the_server_reads(node: str) -> None:
    """S44 to S51: each of the eight, from Shopify's own shape to ours."""
    bodies = {
        name: body.encode() for name, body in json.loads(run(node, "--input-type=module", "-e", ALL_BEACONS)).items()
    }
    assert set(bodies) == set(StoreEvent)
    read: dict[str, Beacon] = {}
    for name, body in bodies.items():
        assert len(body) < BEACON_BYTES
        beacon = read_beacon(body)
        assert isinstance(beacon, Beacon), (name, beacon)
        assert (beacon.name, beacon.customer_id, beacon.account) == (name, 7300000000101, "acc_5f3a9c1e")
        read[name] = beacon
    page = read["page_viewed"].page
    assert page
    assert page.url == "https://pinewood.example.com/?utm_source=mailchimp&utm_campaign=november"
    assert read["search_submitted"].details.query == "blue mug"
    assert read["collection_viewed"].details.collection_id == 5500000001
    product = read["product_viewed"].details.product
    assert product
    assert (product.id, product.title, product.price, product.currency) == (8123456789, "Blue mug", 18.5, "USD")
    added = read["product_added_to_cart"].details
    assert added.product == product
    assert (added.quantity, added.total) == (2, 37)
    for name in ("checkout_started", "payment_info_submitted", "checkout_completed"):
        checkout = read[name].details.checkout
        assert checkout
        assert (checkout.token, checkout.email, checkout.total) == ("c1f2a3b4c5d6e7f8", "ana.reyes@example.com", 42)
        assert checkout.order_id == (6100000000001 if name == "checkout_completed" else None)
        assert read[name].title is None


def test_pixel_and_server_cut_an_address_alike(node: str) -> None:
    asked = [
        "https://pinewood.example.com",
        "https://pinewood.example.com:8443/products/mug?variant=1&key=x#top",
        "https://Pinewood.example.com/account/reset/7/secret",
        "https://pinewood.example.com/en-ca/Account/orders/secret",
        "https://pinewood.example.com/61234567/fr/checkouts/secret?utm_source=x",
        "https://pinewood.example.com/fr",
        "https://pinewood.example.com/cart/c/secret",
        "https://pinewood.example.com/apps/wishlist/secret",
        "https://pinewood.example.com/a/b/c?utm_medium=sms&utm_medium=other",
        "https://pinewood.example.com/collections/orders/products/mug",
        "https://pinewood.example.com/pages/caf%C3%A9?utm_campaign=winter+sale&mc_cid=cb398d21d2&mc_eid=secret",
        f"https://pinewood.example.com/{'long/' * 200}",
        f"https://pinewood.example.com/?utm_campaign={'x' * 300}",
        "http://[::1]:9000/products/mug",
        "https://ana:secret@pinewood.example.com/x",
        "javascript:alert(1)",
        "mailto:ana@example.com",
        "",
        *(f"https://pinewood.example.com/{named}/x/secret" for named in sorted(PRIVATE_PAGES | APP_PAGES)),
    ]
    said = json.loads(run(node, "--input-type=module", "-e", ALL_ADDRESSES, json.dumps(asked)))
    for address, theirs in zip(asked, said, strict=True):
        ours = page_address(address)
        assert (ours and {"url": ours.url, "private": ours.private}) == theirs, address


def test_the_extension_says_what_it_needs() -> None:
    """S52: Shopify itself keeps the pixel away from a visitor who did not agree, or who opted out of the sale of data."""
    assert EXTENSION.keys() <= EXTENSION_KEYS
    assert EXTENSION["type"] == "web_pixel_extension"
    assert EXTENSION["runtime_context"] == "strict"
    privacy = {"analytics": False, "preferences": False, "marketing": True, "sale_of_data": "enabled"}
    assert EXTENSION["customer_privacy"] == privacy


def test_the_settings_are_those_that_the_server_sends() -> None:
    """A difference would fail every activation (INVALID_SETTINGS)."""
    fields = EXTENSION["settings"]["fields"]
    assert fields.keys() == pixel_settings("a", "b").keys()
    for field in fields.values():
        assert field["type"] == "single_line_text_field"
        assert field["validations"] == [{"name": "min", "value": "1"}]


def test_the_packages_are_pinned_and_no_index_is_named() -> None:
    assert json.loads((ROOT / "package.json").read_text()) == {"private": True, "workspaces": ["extensions/*"]}
    package = json.loads((PIXEL / "package.json").read_text())
    assert (package["name"], package["private"], package["type"]) == (EXTENSION["name"], True, "module")
    assert package["dependencies"] == {"@shopify/web-pixels-extension": "2.18.0"}
    assert {".shopify/", "node_modules/", "package-lock.json"} <= set((ROOT / ".gitignore").read_text().splitlines())


def test_the_app_names_only_what_shopifys_cli_knows() -> None:
    tables = {name: value for name, value in APP.items() if isinstance(value, dict)}
    assert tables.keys() < APP_KEYS.keys()
    assert APP.keys() - tables.keys() <= APP_KEYS[""]
    for name, table in tables.items():
        assert table.keys() <= APP_KEYS[name]
    assert APP["access"]["admin"] == {"direct_api_mode": "offline", "embedded_app_direct_api_access": False}
    assert len(APP["name"]) <= 30


def test_the_app_asks_for_the_scopes_of_the_server() -> None:
    scopes = APP["access_scopes"]
    assert scopes["scopes"] == DEFAULT_SCOPES
    assert {"write_pixels", "read_customer_events"} <= set(scopes["scopes"].split(","))
    assert scopes["optional_scopes"] == ["read_all_orders"]
    assert scopes["use_legacy_install_flow"] is False


def test_the_app_holds_no_addresses_of_ours() -> None:
    assert APP["client_id"] == "replace-me"
    assert all("://replace-me." in url for url in (APP["application_url"], *APP["auth"]["redirect_urls"]))
