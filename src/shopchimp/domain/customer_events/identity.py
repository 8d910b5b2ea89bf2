"""Who a visitor is: the customer they are logged in as, else their checkout's e-mail, else whom they were linked with.

A beacon never makes a contact known by itself and never changes a consent. The e-mail of a checkout counts only once
Shopify told us the same checkout in a signed webhook: before, anybody could speak in anybody's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from shopchimp.domain.addresses import normalise
from shopchimp.domain.customer_events.beacon import Beacon

HELD_FOR = timedelta(days=1)
"""How long an event waits for its person. Nearly all who buy or log in do so in the same visit."""


@dataclass(frozen=True, slots=True)
class ByCustomer:
    """The customer with this number at Shopify."""

    customer_id: int


@dataclass(frozen=True, slots=True)
class ByEmail:
    """Whoever has this address, in its normal spelling."""

    email: str


Who: TypeAlias = ByCustomer | ByEmail


class Waiting(StrEnum):
    """What an event waits for."""

    CHECKOUT = "checkout"  # Shopify's own word about the checkout
    LINK = "link"  # the visitor saying who they are


@dataclass(frozen=True, slots=True)
class Held:
    """Nobody yet: kept until then at most."""

    until: datetime
    waits_for: Waiting


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Nobody in time: the event is counted and deleted."""


def identify(
    beacon: Beacon,
    *,
    received_at: datetime,
    now: datetime,
    link: Who | None = None,
    link_email: str | None = None,
    checkout_proven: bool = False,
) -> Who | Held | Forgotten:
    """Whose event this is.

    `link`: whom this visitor (client id) was last found to be, `link_email` their address as far as we know it.
    `checkout_proven`: a signed webhook named this checkout's token with this e-mail. Until then the checkout of another
    address is nobody's: computers are shared, and what a guest buys is no news about whoever was there before.
    """
    if beacon.customer_id is not None:
        return ByCustomer(beacon.customer_id)
    checkout = beacon.details.checkout
    email = checkout.email if checkout else None
    if email is not None and checkout_proven:
        return ByEmail(normalise(email))
    if link is not None and (email is None or normalise(email) == link_email):
        return link
    if not beacon.consent.allows or now >= received_at + HELD_FOR:
        return Forgotten()
    told_of = checkout is not None and (email is not None or checkout.token is not None)
    return Held(received_at + HELD_FOR, Waiting.CHECKOUT if told_of else Waiting.LINK)


def new_link(beacon: Beacon, who: Who | Held | Forgotten, link: Who | None) -> Who | None:
    """Whom to link the visitor with from now on, if that is news. The last one to say who they are counts: people share
    computers. What was found by the link itself says nothing new.
    """
    if beacon.consent.allows and isinstance(who, ByCustomer | ByEmail) and who != link:
        return who
    return None
