"""One shop: its customers, its tokens, its bulk operations, webhook subscriptions and call budget."""

from collections.abc import Callable
from dataclasses import dataclass, field

from shopchimp.sandbox.extension import Extension
from shopchimp.sandbox.people import HISTORY_START
from shopchimp.sandbox.recording import WriteLog
from shopchimp.sandbox.shopify import about
from shopchimp.sandbox.shopify.announcing import Announcer
from shopchimp.sandbox.shopify.bulk import BulkOperations
from shopchimp.sandbox.shopify.commerce import Commerce
from shopchimp.sandbox.shopify.cost import PLANS, Bucket
from shopchimp.sandbox.shopify.fields import CURRENCY
from shopchimp.sandbox.shopify.marketing import Marketing
from shopchimp.sandbox.shopify.metafields import Metafields
from shopchimp.sandbox.shopify.oauth import AppIdentity, Tokens
from shopchimp.sandbox.shopify.pixels import Pixels
from shopchimp.sandbox.shopify.segments import Segments
from shopchimp.sandbox.shopify.store import Customers
from shopchimp.sandbox.shopify.webhooks import Webhooks


@dataclass(slots=True)
class Shop:
    domain: str
    plan: str
    app: AppIdentity
    customers: Customers
    tokens: Tokens
    bulk: BulkOperations
    webhooks: Webhooks
    bucket: Bucket
    announcer: Announcer = field(init=False)
    commerce: Commerce = field(init=False)
    pixels: Pixels = field(default_factory=Pixels)
    metafields: Metafields = field(init=False)
    segments: Segments = field(init=False)
    marketing: Marketing = field(init=False)

    def __post_init__(self) -> None:
        self.commerce = Commerce(self.customers.clock, self.domain)
        self.commerce.follow(self.customers)
        self.announcer = Announcer(self, self.customers.clock)
        self.customers.listeners.append(self.announcer)
        self.commerce.announce = self.announcer.announce
        self.metafields = Metafields(self.customers)
        self.segments = Segments(self.customers, self.metafields)
        log = self.customers.log.add
        self.marketing = Marketing(self.customers.clock, lambda: about.app(self), log, CURRENCY)

    @property
    def name(self) -> str:
        return self.domain.removesuffix(".myshopify.com")

    @property
    def created(self) -> int:
        return int(HISTORY_START.timestamp())

    def uninstall(self) -> None:
        self.announcer.uninstalled()
        self.tokens.revoke()
        self.webhooks.by_number.clear()
        self.pixels.forget()


def open_shop(
    domain: str,
    app: AppIdentity,
    *,
    clock: Callable[[], float],
    plan: str = "plus",
    seed: int = 1,
    log: WriteLog | None = None,
    extension: Extension | None = None,
) -> Shop:
    customers = Customers(clock=clock, log=log or WriteLog(enabled=False))
    size, restore = PLANS[plan]
    return Shop(
        domain=domain,
        plan=plan,
        app=app,
        customers=customers,
        tokens=Tokens(domain, app, clock),
        bulk=BulkOperations(f"{seed}:{domain}", clock),
        webhooks=Webhooks(),
        bucket=Bucket(size, restore),
        pixels=Pixels(extension),
    )
