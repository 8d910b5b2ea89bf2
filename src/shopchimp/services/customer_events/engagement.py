"""The lane `activity`: what a contact did, written to their customer's metafields (S53 to S59, S79).

Values are absolute and worked out of all facts, so a write may be repeated and nothing is counted twice; what a
customer has already is not written again. Both sides are looked at right before: the address must still be the
customer's, and who does not let their opens be followed gets none written. Nobody who isn't a customer gets anything.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shopchimp.db import changes, engagements, event_counts, looks, people
from shopchimp.db.changes import Claimed
from shopchimp.db.engagements import CUSTOMER, Engaged
from shopchimp.db.event_counts import TO_SHOPIFY
from shopchimp.domain.addresses import normalise
from shopchimp.domain.customer_events.metafields import calls, changed, count_key, metafields, time_key
from shopchimp.domain.customer_events.names import ContactAction
from shopchimp.domain.errors import Rejected
from shopchimp.services import settings, sync_times
from shopchimp.services.driving import LeaseEnded
from shopchimp.services.gateways import Gateways
from shopchimp.services.live import Worked
from shopchimp.shopify import metafields as shopify
from shopchimp.shopify.client import ShopifyClient

KIND = "engagement"
WORKS_FOR = 1.0  # seconds: then it is another lane's turn
AT_ONCE = 100  # looked at together
SIDE_BY_SIDE = 3  # calls at once: Shopify's bucket is shared with live sync
OFF = "off"
_OPENS = (count_key(ContactAction.EMAIL_OPENED), time_key(ContactAction.EMAIL_OPENED))
_OWN_FAULT = "sh_customer_gone"


@dataclass(slots=True)
class _Look:
    """One contact, and what came of looking at it. `wanted`: what their customer lacks."""

    change: Claimed
    contact: str
    engaged: Engaged | None = None
    person_id: int | None = None
    customer_id: int | None = None
    wanted: dict[str, str] = field(default_factory=dict)
    wrote: bool = False
    refused: Rejected | None = None
    error: Exception | None = None


def work(
    gateways: Gateways,
    shop_id: int,
    claimed: Sequence[Claimed],
    *,
    token: UUID,
    slots: int,
    lost: threading.Event | None = None,
    quiet: bool = False,  # noqa: ARG001 - nothing here sets off a mail
) -> Worked:
    """Write what these contacts did and record it, but the troubles; what there is no time for is left claimed."""
    worked, until = Worked(), time.monotonic() + WORKS_FOR
    client: ShopifyClient | None = None
    with ThreadPoolExecutor(min(max(slots, 1), SIDE_BY_SIDE), thread_name_prefix="engaged") as pool:
        for start in range(0, len(claimed), AT_ONCE):
            if start and (time.monotonic() >= until or (lost is not None and lost.is_set())):
                break
            each = [_Look(change, change.key.partition(":")[2]) for change in claimed[start : start + AT_ONCE]]
            if not _load(gateways, shop_id, each):
                _drop(gateways, shop_id, token, each)
                worked.done += len(each)
                continue
            wanted = [look for look in each if look.wanted]
            if wanted:
                client = client or gateways.shopify(shop_id)
                _look(client, wanted)
                if not _still_on(gateways, shop_id):
                    _drop(gateways, shop_id, token, each)
                    worked.done += len(each)
                    continue
                _write(client, [look for look in wanted if look.wanted], pool, lost)
            _store(gateways, shop_id, token, each)
            worked.troubles |= {look.change.key: look.error for look in each if look.error is not None}
            worked.done += sum(look.error is None for look in each)
    return worked


def _load(gateways: Gateways, shop_id: int, each: Sequence[_Look]) -> bool:
    """What is known of them, and what their customers lack. False while customer event syncing is off."""
    with gateways.database.transaction() as tx:
        if not settings.get(tx, shop_id).customer_events:
            return False
        found = engagements.get(tx, shop_id, [look.contact for look in each])
        keys = [known.key for known in found.values() if known.key]
        whose = people.by_keys(tx, shop_id, keys)
    for look in each:
        look.engaged = found.get(look.contact)
        person = whose.get(look.engaged.key or "") if look.engaged is not None else None
        if look.engaged is None or person is None or person.customer_id is None:
            continue
        look.person_id, look.customer_id = person.id, person.customer_id
        has = look.engaged.written if look.engaged.written.get(CUSTOMER) == person.customer_id else {}
        doubted = look.change.stolen or look.change.source == "lease"  # a late write may stand over there
        look.wanted = changed({} if doubted else has, metafields(look.engaged.totals))
    return True


def _still_on(gateways: Gateways, shop_id: int) -> bool:
    with gateways.database.transaction() as tx:
        return settings.get(tx, shop_id).customer_events


def _look(client: ShopifyClient, wanted: Sequence[_Look]) -> None:
    """Who the customers are by now: nothing is written to somebody else, and no opens of who doesn't want that."""
    there = shopify.tracking(client, sorted({look.customer_id for look in wanted if look.customer_id is not None}))
    for look in wanted:
        customer = there.get(look.customer_id or 0)
        if customer is None or look.engaged is None or normalise(customer.email or "") != look.engaged.key:
            look.wanted = {}
        elif not customer.follows_opens:
            look.wanted = {key: value for key, value in look.wanted.items() if key not in _OPENS}


def _write(
    client: ShopifyClient, wanted: Sequence[_Look], pool: ThreadPoolExecutor, lost: threading.Event | None
) -> None:
    by_customer = {look.customer_id: look for look in wanted if look.customer_id is not None}

    def one(group: Mapping[int, Mapping[str, str]]) -> None:
        try:
            _check(lost)
            unfit: set[str] = set()
            outcome = shopify.write(client, group, unfit)
        except Exception as error:  # noqa: BLE001 - the job judges it, for each of the group
            for customer_id in group:
                by_customer[customer_id].error = error
            return
        for customer_id, refusal in outcome.items():
            look = by_customer[customer_id]
            look.wanted = {key: value for key, value in look.wanted.items() if key not in unfit}
            look.wrote = refusal is None and bool(look.wanted)
            look.refused = shopify.refused(refusal) if refusal is not None else None

    groups = calls({customer_id: look.wanted for customer_id, look in by_customer.items()})
    list(pool.map(one, groups))


def _check(lost: threading.Event | None) -> None:
    if lost is not None and lost.is_set():
        raise LeaseEnded


def _store(gateways: Gateways, shop_id: int, token: UUID, each: Sequence[_Look]) -> None:
    with gateways.database.transaction() as tx:
        engagements.hold(tx, shop_id, [look.contact for look in each])  # before the changes, as who counts facts does
        ours = changes.still_held(tx, shop_id, token, [look.change.key for look in each])
        news = [look for look in each if look.change.key in ours and _is_news(look)]
        engagements.wrote(tx, shop_id, {look.contact: _has(look) for look in news})
        _log(tx, shop_id, [look for look in each if look.wrote or _parked(look)])
        parked = [
            (look.change.key, look.change.version, look.refused.code, look.refused.detail)
            for look in each
            if look.refused is not None and _parked(look)
        ]
        changes.park(tx, shop_id, token, parked)
        finished = [(look.change.key, look.change.version) for look in each if look.error is None and not _parked(look)]
        changes.finish(tx, shop_id, token, finished)


def _is_news(look: _Look) -> bool:
    """Whether the customer has other values now, or is another one; who is to get none is remembered too."""
    if look.wrote or look.engaged is None or look.customer_id is None:
        return look.wrote
    return look.error is None and not _parked(look) and look.engaged.written.get(CUSTOMER) != look.customer_id


def _has(look: _Look) -> dict[str, Any]:
    before = look.engaged.written if look.engaged is not None else {}
    kept = before if before.get(CUSTOMER) == look.customer_id else {}
    return {**kept, **(look.wanted if look.wrote else {}), CUSTOMER: look.customer_id}


def _parked(look: _Look) -> bool:
    """Refused for a reason that the merchant may mend; a customer who is gone is nobody's trouble."""
    return look.refused is not None and look.refused.code != _OWN_FAULT


def _log(tx: Connection, shop_id: int, told: Sequence[_Look]) -> None:
    if not told:
        return
    now: datetime = tx.execute(text("select clock_timestamp()")).scalar_one()
    rows = [
        {
            "person_id": look.person_id,
            "kind": KIND,
            "direction": TO_SHOPIFY,
            "result": "synced" if look.wrote else "failed",
            "rule": None,
            "cause": None if look.refused is None else look.refused.code,
            "detail": {"changed": look.wanted},
        }
        for look in told
    ]
    looks.log(tx, shop_id, rows)
    took = [
        (TO_SHOPIFY, KIND, max((now - look.change.event_at).total_seconds() * 1000, 0.0))
        for look in told
        if look.wrote and look.change.event_at is not None
    ]
    sync_times.observe(tx, shop_id, took)
    outcomes = Counter("sent" if look.wrote else "failed" for look in told)
    event_counts.add(tx, shop_id, TO_SHOPIFY, {(KIND, outcome): n for outcome, n in outcomes.items()})


def _drop(gateways: Gateways, shop_id: int, token: UUID, each: Sequence[_Look]) -> None:
    """It is switched off: what waited is dropped, and counted."""
    with gateways.database.transaction() as tx:
        engagements.doubt(tx, shop_id, [look.contact for look in each])  # switched on again, theirs are written
        gone = changes.finish(tx, shop_id, token, [(look.change.key, look.change.version) for look in each])
        event_counts.add(tx, shop_id, TO_SHOPIFY, {(KIND, OFF): len(gone)})
