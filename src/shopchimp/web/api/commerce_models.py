"""What the API answers about orders, carts, promo codes and the sums of all. Amounts are texts of exact decimals."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shopchimp.web.api.models import Answer, Asked, Cursor

DealState = Literal["completed", "abandoned"]
ItemState = Literal["synced", "skipped", "failed"]
Kind = Literal["product", "customer", "order", "cart", "promo_rule", "promo_code"]
LookableKind = Literal["order", "product", "cart"]
NextCode = Annotated[str | None, Field(description="Give it back as `cursor` for the next page; null at the end")]


class Product(Answer):
    name: str
    category: str
    sku: str
    quantity: int
    price: Annotated[Decimal, Field(description="Of one, before discounts")]
    image: str | None


class Deal(Answer):
    """An order, or an abandoned cart."""

    kind: Literal["order", "cart"]
    id: str
    state: DealState
    number: str
    link: Annotated[str | None, Field(description="The order or cart in the Shopify admin")]
    total: Decimal
    currency: str
    at: datetime | None
    store: str
    discount_codes: list[str]
    discount: Decimal
    shipping_method: str
    cancelled: bool
    money: Annotated[str, Field(description="paid, pending, partially_refunded, …; empty of a cart")]
    goods: Annotated[str, Field(description="shipped, fulfilled, …; empty before anything was sent")]
    result: Annotated[str, Field(description="What became of it at Mailchimp: synced, skipped or failed")]
    reason: str | None
    detail: Annotated[str | None, Field(description="Mailchimp's own words")]
    products: list[Product]


class Totals(Answer):
    currency: str
    revenue: Annotated[Decimal, Field(description="Less refunds")]
    orders: int
    products: int
    average: Decimal
    first_at: datetime | None
    last_at: datetime | None


class Store(Answer):
    domain: str
    name: str


class Commerce(Answer):
    """A person's purchases. Amounts of two currencies are never added up."""

    totals: list[Totals]
    open_carts: int
    stores: list[Store]
    deals: list[Deal]
    next_cursor: Cursor


class Books(Answer):
    """One kind: read = synced + skipped + failed + waiting, by reason."""

    kind: Kind
    read: int
    synced: int
    skipped: dict[str, int]
    failed: dict[str, int]
    waiting: int
    source: Annotated[int | None, Field(description="Shopify's own count at the last look")]
    missing: Annotated[int, Field(description="Shopify has so many that we haven't seen")]
    extra: Annotated[int, Field(description="We have so many that Shopify hasn't any more")]
    closes: bool


class CommerceBooks(Answer):
    kinds: list[Books]
    closes: bool
    checked_at: Annotated[datetime | None, Field(description="When they were held against Shopify's own counts")]
    open_since: Annotated[datetime | None, Field(description="Since when they don't close: an alarm")]
    store_id: Annotated[str | None, Field(description="This store in Mailchimp's e-commerce data")]
    since: Annotated[datetime | None, Field(description="When orders and products went live")]


class CommerceObject(Answer):
    id: str
    name: str
    link: str | None
    at: datetime | None
    result: ItemState
    reason: str | None
    detail: Annotated[str | None, Field(description="Mailchimp's own words")]


class CommerceObjects(Answer):
    objects: list[CommerceObject]
    next_cursor: NextCode


class RetryObjects(Asked):
    ids: Annotated[list[str] | None, Field(max_length=1000, description="Absent: all failed ones")] = None
    reason: Annotated[str, Field(max_length=64)] = ""


class PromoRun(Answer):
    """One run; `counts` of codes: added, changed, removed, unchanged, unsupported, failed. `trouble` is a cause."""

    id: UUID
    trigger: str
    state: Literal["running", "done", "failed"]
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]
    trouble: str | None


class PromoRuns(Answer):
    runs: list[PromoRun]


class PromoCodesStatus(Answer):
    """How the promo codes stand. `running` is the run under way; `codes` counts them by result."""

    every_hours: int
    running: PromoRun | None
    last_run: PromoRun | None
    next_run_at: datetime | None
    codes: dict[str, int]


class Discount(Answer):
    id: str
    title: str
    summary: str
    status: str
    starts_at: datetime | None
    ends_at: datetime | None
    codes: int
    link: str | None
    result: ItemState
    reason: str | None


class PromoCode(Answer):
    id: str
    code: str
    used: int
    discount: Annotated[str, Field(description="What the discount takes off, in words")]
    active_from: datetime | None
    active_until: datetime | None
    link: Annotated[str | None, Field(description="The discount in the Shopify admin")]
    result: ItemState
    reason: str | None


class PromoCodeList(Answer):
    promo_codes: list[PromoCode]
    next_cursor: NextCode


class DiscountList(Answer):
    discounts: list[Discount]
    next_cursor: NextCode
