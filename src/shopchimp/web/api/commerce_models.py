"""What the API answers about orders, carts, promo codes and the sums of all. Amounts are texts of exact decimals."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shopchimp.web.api.models import Answer, Cursor

DealState = Literal["completed", "abandoned"]
ItemState = Literal["synced", "skipped", "failed"]


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


class Sums(Answer):
    """Of one kind: read = synced + skipped + failed + waiting, where `closes`."""

    kind: str
    title: str
    read: int
    synced: int
    waiting: int
    skipped: dict[str, int]
    failed: dict[str, int]
    closes: bool


class Completeness(Answer):
    kinds: list[Sums]
    closes: bool
    looked_at: datetime | None


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


NextCode = Annotated[str | None, Field(description="Give it back as `cursor` for the next page; null at the end")]


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
