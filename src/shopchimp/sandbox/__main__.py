"""`python -m shopchimp.sandbox`: start the sandbox and print where it listens, as one JSON line."""

import argparse
import gc
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from shopchimp.sandbox.courier import DEFAULT_RETRY_SCALE, Courier
from shopchimp.sandbox.extension import find_extension, read_extension
from shopchimp.sandbox.faults import Traffic
from shopchimp.sandbox.loaders import from_cdnow, from_shopify_csv, purchases_of_cdnow
from shopchimp.sandbox.mailchimp import MailchimpSandbox
from shopchimp.sandbox.mailchimp.sms import PROGRAMMES
from shopchimp.sandbox.people import Person, generate
from shopchimp.sandbox.recording import Recorder, WriteLog
from shopchimp.sandbox.server import serve
from shopchimp.sandbox.shopify.app import ShopifySandbox
from shopchimp.sandbox.shopify.cost import PLANS
from shopchimp.sandbox.shopify.oauth import SCOPES, AppIdentity
from shopchimp.sandbox.shopify.opening import Opening, open_commerce

DEMO_SHOP = "demo-store.myshopify.com"
INVENTED = 2000


def main() -> None:
    parent = os.getppid()  # before anybody can have seen us ready, and died of what came then
    given = _arguments().parse_args()
    numbers = itertools.count(1)
    shopify, mailchimp = _platforms(given, lambda: next(numbers))
    gc.disable()
    _fill(given, shopify, mailchimp)
    gc.freeze()  # the people stay: no collection needs to look at them again
    gc.enable()
    courier = Courier(retry_scale=given.webhook_retry_scale)
    shopify.courier = mailchimp.courier = courier
    recorder = Recorder(given.record) if given.record else None
    latency = {"latency_ms": given.latency_ms, "batch_latency_ms": given.batch_latency_ms, "recorder": recorder}
    serve(
        Traffic(shopify, **latency),
        Traffic(mailchimp, **latency),
        shopify,
        courier,
        host=given.host,
        shopify_port=given.shopify_port,
        mailchimp_port=given.mailchimp_port,
        parent=parent,
    )


def _platforms(given: argparse.Namespace, next_number: Callable[[], int]) -> tuple[ShopifySandbox, MailchimpSandbox]:
    scopes = (*given.scopes.split(","), *(["read_all_orders"] if given.read_all_orders else []))
    app = AppIdentity(given.api_key, given.api_secret, given.app_url, scopes=scopes)
    shopify = ShopifySandbox(
        app=app,
        domains=given.shop or [DEMO_SHOP],
        plan=given.plan,
        seed=given.seed,
        writes=WriteLog(enabled=given.write_log, next_number=next_number),
        extension=read_extension(given.pixel) if given.pixel else find_extension(),
    )
    for shop in shopify.shops.values():
        shop.metafields.tells = given.metafields_tell
    mailchimp = MailchimpSandbox(
        client_id=given.mailchimp_client_id,
        client_secret=given.mailchimp_client_secret,
        app_url=given.app_url or None,
        seed=given.seed,
        double_optin=given.double_optin,
        hook_validation=given.hook_validation,
        sms_programme=given.sms_programme,
        batch_rate=given.batch_rate,
        audiences=given.audiences,
        own_logins=given.own_logins,
        writes=WriteLog(enabled=given.write_log, next_number=next_number),
    )
    return shopify, mailchimp


def _fill(given: argparse.Namespace, shopify: ShopifySandbox, mailchimp: MailchimpSandbox) -> None:
    """The first shop and the audience share their people; further shops get people of their own."""
    for person in _people(given):
        shopify.add(person)
        mailchimp.add(person)
    for number, domain in enumerate(list(shopify.shops)[1:], start=1):
        for person in generate(given.people_of_others or given.people or INVENTED, given.seed + number):
            shopify.add(person, domain)
    open_commerce(shopify.main, _opening(given))
    shopify.finish()
    mailchimp.finish()


def _opening(given: argparse.Namespace) -> Opening:
    log = purchases_of_cdnow(given.data) if given.orders and given.data else None
    return Opening(
        seed=given.seed,
        products=given.products,
        invented_products=given.invented_products,
        orders=given.orders or given.orders_each > 0,
        purchases=log,
        orders_each=given.orders_each,
        odd_orders=given.odd_orders,
        checkouts=given.checkouts,
        discounts=given.discounts,
        codes=given.codes,
    )


def _people(given: argparse.Namespace) -> Iterator[Person]:
    if given.customers_csv:
        return from_shopify_csv(given.customers_csv)
    if given.data:
        return from_cdnow(given.data, given.seed, given.people)
    return generate(INVENTED if given.people is None else given.people, given.seed)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shopchimp.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--shopify-port", type=int, default=0)
    parser.add_argument("--mailchimp-port", type=int, default=0)
    parser.add_argument("--people", type=int, help="how many customers (2000 invented ones, or all of --data)")
    parser.add_argument("--people-of-others", type=int, help="customers of each further shop (as many as --people)")
    parser.add_argument("--data", type=Path, help="folder that holds cdnow/purchases.csv.gz")
    parser.add_argument("--customers-csv", type=Path, help="Shopify's customer export")
    parser.add_argument("--products", type=Path, help="folder of Shopify product CSVs for the first shop")
    parser.add_argument("--invented-products", type=int, default=0)
    parser.add_argument("--orders", action="store_true", help="one for each purchase of --data, or as the people say")
    parser.add_argument("--orders-each", type=int, default=0, help="so many of every customer, instead")
    parser.add_argument("--odd-orders", type=int, default=0, help="guests, tests, refunds, currencies ... in turn")
    parser.add_argument("--checkouts", type=int, default=0, help="left behind within the last month")
    parser.add_argument("--discounts", type=int, default=0, help="code discounts of the four types")
    parser.add_argument("--codes", type=int, default=1, help="how many codes each discount has")
    parser.add_argument("--scopes", default=SCOPES, help="what the shop grants, by comma")
    parser.add_argument("--read-all-orders", action="store_true", help="the shop grants the optional scope too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shop", action="append", help=f"may be given several times; default {DEMO_SHOP}")
    parser.add_argument("--pixel", type=Path, help="folder of the web pixel extension (default: shopchimp's own)")
    parser.add_argument("--metafields-tell", action="store_true", help="a metafield written is a customers/update too")
    parser.add_argument("--plan", choices=list(PLANS), default="plus")
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--batch-latency-ms", type=float)
    scale = f"real gaps between the tries of a webhook times this (default {DEFAULT_RETRY_SCALE})"
    parser.add_argument("--webhook-retry-scale", type=float, default=DEFAULT_RETRY_SCALE, help=scale)
    parser.add_argument("--app-url", default="", help="where the app is: OAuth returns there, the admin frames it")
    parser.add_argument("--api-key", default="sandbox-shopify-key")
    parser.add_argument("--api-secret", default="sandbox-shopify-secret-for-this-machine-only")
    parser.add_argument("--mailchimp-client-id", default="sandbox-mailchimp-id")
    parser.add_argument("--mailchimp-client-secret", default="sandbox-mailchimp-secret-for-this-machine-only")
    parser.add_argument("--batch-rate", type=float, default=0, help="operations of /batches a second (0: no limit)")
    parser.add_argument("--audiences", type=int, default=2, help="Newsletter, Wholesale, and empty ones")
    parser.add_argument("--own-logins", action="store_true", help="each token counts as another Mailchimp login's")
    parser.add_argument("--double-optin", action="store_true")
    parser.add_argument("--sms-programme", choices=PROGRAMMES, default="approved")
    parser.add_argument("--no-hook-validation", dest="hook_validation", action="store_false")
    parser.add_argument("--no-write-log", dest="write_log", action="store_false")
    parser.add_argument("--record", type=Path, help="append every API call as a JSON line")
    return parser


if __name__ == "__main__":
    main()
