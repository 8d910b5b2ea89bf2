"""What a visitor's browser says: one event of the pixel, read strictly and never believed further than it must be.

Anybody can send a beacon, since nothing in a pixel is secret. So reading one never raises, keeps nothing of a field
that is not described here, and says no more about a refusal than where it was.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from shopchimp.domain.customer_events.addresses import PageAddress, page_address
from shopchimp.domain.customer_events.details import Details, read_details
from shopchimp.domain.customer_events.fields import Fields, Malformed
from shopchimp.domain.customer_events.names import StoreEvent

BEACON_BYTES = 16_384
VERSION = 1

_TOKEN = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


class BeaconReason(StrEnum):
    """Why a beacon is not kept."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    MALFORMED = "malformed"  # not what the pixel sends; `field` says where
    UNKNOWN_EVENT = "unknown_event"
    NO_CONSENT = "no_consent"
    TOO_OLD = "too_old"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class Refused:
    """A beacon of which nothing is kept. `field` is the name of ours where it went wrong, never anything it said."""

    reason: BeaconReason
    field: str | None = None


@dataclass(frozen=True, slots=True)
class VisitorConsent:
    """The visitor's four answers when the event happened, as Shopify told the pixel."""

    analytics: bool
    marketing: bool
    preferences: bool
    sale_of_data: bool

    @property
    def allows(self) -> bool:
        """Whether we may use the event: agreed to marketing, and not opted out of the sale of data (S52)."""
        return self.marketing and self.sale_of_data


@dataclass(frozen=True, slots=True)
class Beacon:
    """An event as claimed. `account` names the shop to the public; `happened_at` is the visitor's own clock."""

    account: str
    event_id: str
    name: StoreEvent
    happened_at: datetime
    visitor: str
    consent: VisitorConsent
    customer_id: int | None = None
    page: PageAddress | None = None
    title: str | None = None
    details: Details = field(default_factory=Details)


def read_beacon(body: bytes) -> Beacon | Refused:
    """One body as the pixel sends it, or why it is none. Without consent nothing else of it is looked at."""
    if len(body) > BEACON_BYTES:
        return Refused(BeaconReason.TOO_LARGE)
    try:
        said = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return Refused(BeaconReason.NOT_JSON)
    try:
        return _read(Fields(said))
    except Malformed as error:
        return Refused(BeaconReason.MALFORMED, error.field)


def _read(said: Fields) -> Beacon | Refused:
    consent = _consent(said.inside("consent"))
    if not consent.allows:
        return Refused(BeaconReason.NO_CONSENT)
    if said.whole("version") != VERSION:
        raise Malformed("version")
    named = said.match("name", re.compile(r"[a-z_]{1,40}"))
    try:
        name = StoreEvent(named)
    except ValueError:
        return Refused(BeaconReason.UNKNOWN_EVENT)
    page, title = _page(said.inside_if_there("page"))
    beacon = Beacon(
        account=said.match("accountID", _ACCOUNT),
        event_id=said.match("id", _TOKEN),
        name=name,
        happened_at=_moment(said),
        visitor=said.match("clientId", _TOKEN),
        consent=consent,
        customer_id=said.shopify_id("customerId"),
        page=page,
        title=title,
        details=read_details(name, said.inside_if_there("data")),
    )
    said.nothing_else()
    return beacon


def _no_number(_: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _consent(said: Fields) -> VisitorConsent:
    consent = VisitorConsent(
        analytics=said.yes_or_no("analytics"),
        marketing=said.yes_or_no("marketing"),
        preferences=said.yes_or_no("preferences"),
        sale_of_data=said.yes_or_no("saleOfData"),
    )
    said.nothing_else()
    return consent


def _page(said: Fields) -> tuple[PageAddress | None, str | None]:
    url, title = said.text("url", 2_000), said.text("title", 255)
    said.nothing_else()
    if url is None:
        return None, None
    page = page_address(url)
    if page is None:
        raise Malformed("page.url")
    return page, None if page.private else title


def _moment(said: Fields) -> datetime:
    try:
        return datetime.fromisoformat(said.match("timestamp", _MOMENT)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed("timestamp") from None
