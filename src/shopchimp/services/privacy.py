"""Privacy requests, carried out: Shopify's compliance webhooks, and the look whether the app really left (6.2 c).

Every step is one that may be done twice, so a killed worker's successor just goes on. An erasure has three stages,
which the sealed dossier names: stop the marketing at Mailchimp (L7), abandoned carts included, and erase here; erase
here once more a little later, since a worker may have had the person in hand; then, where the contact is left to the
merchant's word (D6), wait for it. What remains is a proof that names nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from sqlalchemy import Connection

from shopchimp.db import checkouts, commerce_items, connections, notes, privacy, shops
from shopchimp.db.crypto import Vault, VaultError
from shopchimp.db.privacy import Request, Subject, body_context
from shopchimp.domain.addresses import normalise
from shopchimp.domain.errors import Gone, PlatformError, RateLimited, Unauthorized, Unavailable
from shopchimp.services import erasure, installation, settings
from shopchimp.services.commerce import forgetting, leaving
from shopchimp.services.gateways import Gateways
from shopchimp.shopify import documents

log = structlog.get_logger()

LEASE = 300.0
AGAIN = 90.0  # seconds until a worker that had the person in hand must have come to its end
LONGEST = 6 * 3600.0  # between two tries
ASK_FOR = timedelta(days=28)  # how long the merchant is asked; Shopify gives us 30 days
REINSTALL = timedelta(hours=48)
DOWNLOAD_DAYS = 30
DATA_REQUEST, REDACT, SHOP_REDACT = "customers/data_request", "customers/redact", "shop/redact"
UNINSTALLED = "app/uninstalled"
_DEAD = frozenset({"sh_access_revoked", "invalid_grant"})


@dataclass(frozen=True, slots=True)
class Dossier:
    """What an erasure has to know until it ends. Stored sealed in the place of the body."""

    stage: str  # "begin", "again", "ask"
    customer_id: int | None
    keys: tuple[str, ...]
    emails: tuple[str, ...]
    contact: str  # "none", "erased", "stopped" (the merchant decides), "unreached"
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that the merchant can do something about: a download, or a contact to erase."""

    id: int
    topic: str
    received_at: datetime
    emails: tuple[str, ...]


def work(gateways: Gateways, *, limit: int = 20) -> int:
    """Carry out what is due. Gives back how many requests were looked at; call it again while that is `limit`."""
    for count in range(limit):
        with gateways.database.transaction() as tx:
            request = privacy.claim(tx, lease=LEASE)
        if request is None:
            return count
        try:
            _carry_out(gateways, request)
        except PlatformError as error:
            log.warning("privacy_request_waits", platform=error.platform, code=error.code, attempt=request.attempts)
            _later(gateways, request, error.retry_after if isinstance(error, RateLimited) else None)
        except VaultError:
            log.exception("privacy_request_unreadable")
            _later(gateways, request, LONGEST)
    return limit


def tidy(gateways: Gateways) -> None:
    """Forget what was kept for a time only. Once a day is enough."""
    with gateways.database.transaction() as tx:
        privacy.drop_bodies(tx, days=DOWNLOAD_DAYS)
        privacy.sweep_tombstones(tx)


def living(tx: Connection, vault: Vault, shop_id: int, keys: Sequence[str]) -> list[str]:
    """Those of the keys under which nobody was erased lately: only they may be marked or stored."""
    marks = {key: vault.fingerprints(key) for key in keys}
    dead = privacy.buried(tx, shop_id, [mark for some in marks.values() for mark in some])
    return [key for key in keys if dead.isdisjoint(marks[key])] if dead else list(keys)


def data_of(tx: Connection, vault: Vault, shop_id: int, request_id: int) -> dict[str, Any] | None:
    """What is stored of the person of a data request, for the merchant to hand on; None when it isn't kept any more."""
    request = privacy.get(tx, shop_id, request_id)
    if request is None or request.topic != DATA_REQUEST or request.body is None:
        return None
    customer_id, key = _who(_read(vault, request))
    people = privacy.subjects(tx, shop_id, customer_id=customer_id, key=key)
    return {
        "request": request.id,
        "received_at": request.received_at.isoformat(),
        "customer_id": customer_id,
        **privacy.collected(tx, shop_id, [each.id for each in people]),
    }


def waiting(tx: Connection, vault: Vault, shop_id: int) -> list[OpenRequest]:
    """What the merchant can do something about: data to download, contacts to erase in Mailchimp (D6)."""
    asked = privacy.of_shop(tx, shop_id, topic=DATA_REQUEST)
    found = [OpenRequest(request.id, request.topic, request.received_at, ()) for request in asked]
    for request in privacy.of_shop(tx, shop_id, topic=REDACT):
        dossier = _dossier(_read(vault, request))
        if dossier is not None and dossier.contact == "stopped":
            found.append(OpenRequest(request.id, request.topic, request.received_at, dossier.emails))
    return found


def erase_contact(gateways: Gateways, shop_id: int, request_id: int) -> bool:
    """The merchant's click (D6): erase the contact of an erasure for ever. False when nothing of it is left to do."""
    with gateways.database.transaction() as tx:
        request = privacy.get(tx, shop_id, request_id)
    dossier = _dossier(_read(gateways.vault, request)) if request is not None and request.body is not None else None
    if request is None or dossier is None or dossier.contact != "stopped":
        return False
    erasure.erase_contacts(gateways, shop_id, dossier.emails)
    forgetting.erase_buyers(gateways, shop_id, customer_id=dossier.customer_id, emails=dossier.emails)
    dossier = replace(dossier, contact="erased")
    if dossier.stage == "ask":
        _end(gateways, request, shop_id, dossier)
    else:
        _keep(gateways, request, dossier, AGAIN)
    return True


def _carry_out(gateways: Gateways, request: Request) -> None:
    match request.topic:
        case "app/uninstalled":
            _uninstalled(gateways, request)
        case "shop/redact":
            _shop_redact(gateways, request)
        case "customers/data_request" if request.shop_id is not None:
            _data_request(gateways, request, request.shop_id)
        case "customers/redact" if request.shop_id is not None:
            _redact(gateways, request, request.shop_id)
        case _:  # of a shop we never had: nothing is stored of anybody
            _done(gateways, request, {"held": False})


# --- customers/data_request


def _data_request(gateways: Gateways, request: Request, shop_id: int) -> None:
    customer_id, key = _who(_read(gateways.vault, request))
    with gateways.database.transaction() as tx:
        people = privacy.subjects(tx, shop_id, customer_id=customer_id, key=key)
        notes.add(tx, shop_id, kind="privacy", detail={"data_request": request.id})
        privacy.done(tx, request.id, {**_subject(gateways.vault, customer_id), "people": len(people)}, keep_body=True)


# --- customers/redact


def _redact(gateways: Gateways, request: Request, shop_id: int) -> None:
    said = _read(gateways.vault, request)
    dossier = _dossier(said)
    if dossier is None:
        dossier = _begin(gateways, shop_id, said)
        _keep(gateways, request, dossier, LEASE)  # who they were must outlive their rows
    if dossier.stage == "begin":
        dossier = _stop(gateways, request, shop_id, dossier)
        dossier = replace(dossier, counts=_erase(gateways, shop_id, dossier), stage="again")
        _keep(gateways, request, dossier, AGAIN)
    elif dossier.stage == "again":
        more = _erase(gateways, shop_id, dossier)
        counts = {name: count + more.get(name, 0) for name, count in dossier.counts.items()}
        dossier = replace(dossier, counts=counts, stage="ask")
        if dossier.contact == "stopped":
            left = request.received_at + ASK_FOR - gateways.clock()
            _keep(gateways, request, dossier, max(60.0, left.total_seconds()))
        elif dossier.contact == "unreached":
            _keep(gateways, request, dossier, 3600.0)
        else:
            _end(gateways, request, shop_id, dossier)
    elif dossier.contact == "unreached" and gateways.clock() < request.received_at + ASK_FOR:
        _end(gateways, request, shop_id, _stop(gateways, request, shop_id, dossier))
    else:  # the merchant was asked for four weeks, or the account was away for as long
        _end(gateways, request, shop_id, dossier)


def _begin(gateways: Gateways, shop_id: int, said: dict[str, Any]) -> Dossier:
    """Who it is. Only people that are this shop's are touched in Mailchimp (reliability.md 6.2 d)."""
    customer_id, key = _who(said)
    with gateways.database.transaction() as tx:
        people = privacy.subjects(tx, shop_id, customer_id=customer_id, key=key)
        if key is not None and privacy.is_anothers(tx, shop_id, key, customer_id=customer_id):
            key = None
    emails = tuple(dict.fromkeys(each.email for each in people if each.email))
    named = [] if customer_id is None else [f"customer:{customer_id}"]
    keys = dict.fromkeys([*named, *(name for each in people for name in _names(each)), *([key] if key else [])])
    return Dossier("begin", customer_id, tuple(keys), emails, "unreached" if emails else "none", {})


def _names(person: Subject) -> list[str]:
    """Every key the person may be stored under."""
    names = [person.key]
    if person.email:
        names.append(normalise(person.email))
    if person.contact_id:
        names.append(f"contact:{person.contact_id}")
    return names


def _stop(gateways: Gateways, request: Request, shop_id: int, dossier: Dossier) -> Dossier:
    """No more marketing from this moment (L7); and the contact goes where the merchant said so beforehand (D6).

    A Mailchimp that can't be reached keeps nobody's data here: after a day the rest goes on without it.
    """
    if dossier.contact == "none":
        return dossier
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        erase_too = settings.get(tx, shop_id).erase_contacts
    if connection is None or connection.audience_id is None:
        return replace(dossier, contact="none")
    try:
        known = erasure.stop_marketing(gateways, shop_id, dossier.emails)
        forgetting.drop_carts(gateways, shop_id, customer_id=dossier.customer_id, emails=dossier.emails)
        if known and erase_too:
            erasure.erase_contacts(gateways, shop_id, dossier.emails)
            forgetting.erase_buyers(gateways, shop_id, customer_id=dossier.customer_id, emails=dossier.emails)
    except (Unauthorized, Gone):
        return replace(dossier, contact="unreached")
    except Unavailable:
        if dossier.stage == "begin" and gateways.clock() < request.received_at + timedelta(days=1):
            raise
        return replace(dossier, contact="unreached")
    return replace(dossier, contact=("erased" if erase_too else "stopped") if known else "none")


def _erase(gateways: Gateways, shop_id: int, dossier: Dossier) -> dict[str, int]:
    """Out of every table, and a tombstone in the same transaction, so that no webhook slips between."""
    vault = gateways.vault
    with gateways.database.transaction() as tx:
        shops.lock(tx, shop_id)
        people = privacy.subjects(tx, shop_id, customer_id=dossier.customer_id, key=None)
        keys = list(dict.fromkeys([*dossier.keys, *(name for each in people for name in _names(each))]))
        privacy.bury(tx, shop_id, [vault.fingerprints(key)[0] for key in keys])
        ids = [each.id for each in people]
        counts = privacy.erase(tx, shop_id, person_ids=ids, customer_id=dossier.customer_id, keys=keys)
        customers = [] if dossier.customer_id is None else [dossier.customer_id]
        counts["commerce_items"] = commerce_items.erase_person(tx, shop_id, keys, customers)
        addresses = [*dossier.emails, *(key for key in keys if "@" in key)]
        counts["checkouts"] = checkouts.erase_person(tx, shop_id, addresses, customers)
        same = [
            each.id
            for each in privacy.of_shop(tx, shop_id, topic=DATA_REQUEST)
            if dossier.customer_id is not None and _who(_read(vault, each))[0] == dossier.customer_id
        ]
        privacy.forget_bodies(tx, shop_id, same)
    return counts


def _end(gateways: Gateways, request: Request, shop_id: int, dossier: Dossier) -> None:
    contact = {"stopped": "kept", "unreached": "not_reached"}.get(dossier.contact, dossier.contact)
    proof = {**_subject(gateways.vault, dossier.customer_id), "contact": contact, "rows": dossier.counts}
    with gateways.database.transaction() as tx:
        notes.add(tx, shop_id, kind="privacy", detail={"erased": True, "contact": contact})
        privacy.done(tx, request.id, proof)


# --- the shop


def _shop_redact(gateways: Gateways, request: Request) -> None:
    """48 hours after the app left. Not where it is back: whether it is, Shopify itself is asked, not the webhook."""
    with gateways.database.transaction() as tx:
        shop = shops.by_domain(tx, request.domain)
    if shop is None:
        _done(gateways, request, {"held": False})
    elif shop.uninstalled_at is None and _answers(gateways, shop.id):
        _done(gateways, request, {"wiped": False, "installed": True})
    else:
        with gateways.database.transaction() as tx:
            kept = shops.lock(tx, shop.id)
            if kept is not None and kept.installed_at > shop.installed_at:  # reinstalled this very moment
                return
            counts = privacy.wipe_shop(tx, shop.id, but_request=request.id)
            privacy.done(tx, request.id, {"wiped": True, "rows": counts})
        log.info("shop_wiped")


def _uninstalled(gateways: Gateways, request: Request) -> None:
    """The webhook has paused the shop; here Shopify says whether it is true. Two days of silence count as yes."""
    with gateways.database.transaction() as tx:
        shop = shops.get(tx, request.shop_id) if request.shop_id is not None else None
    if shop is None or shop.uninstalled_at is not None:
        if shop is not None:
            _let_go(gateways, request, shop.id)
        _done(gateways, request, {"uninstalled": True})
        return
    try:
        installed = _answers(gateways, shop.id)
    except (Unavailable, RateLimited):
        if gateways.clock() < request.received_at + REINSTALL or shop.installed_at > request.received_at:
            raise
        installed = False
    if not installed:
        installation.uninstalled(gateways, shop.id)
        _let_go(gateways, request, shop.id)
    with gateways.database.transaction() as tx:
        privacy.reopen(tx, shop.id)
        privacy.done(tx, request.id, {"uninstalled": not installed})


def _let_go(gateways: Gateways, request: Request, shop_id: int) -> None:
    """Automations that are still held, as Mailchimp was away, are let go by a later try: no chore comes by any more."""
    try:
        leaving.leave(gateways, shop_id, delete=False)
    except (Unavailable, RateLimited):
        if gateways.clock() < request.received_at + REINSTALL:
            raise
    except PlatformError as error:
        log.warning("store_not_left", code=error.code)


def _answers(gateways: Gateways, shop_id: int) -> bool:
    """Whether the shop's own token still works. Raises what says neither yes nor no."""
    try:
        gateways.shopify(shop_id).execute(documents.SHOP_INFO, "ShopInfo")
    except Gone:
        return False
    except Unauthorized as error:
        return error.code not in _DEAD
    return True


# --- small things


def _read(vault: Vault, request: Request) -> dict[str, Any]:
    """The opened body; an empty one where it says nothing we can read."""
    if request.body is None:
        return {}
    try:
        said = orjson.loads(vault.open(request.body, context=body_context(request.digest)))
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _who(said: dict[str, Any]) -> tuple[int | None, str | None]:
    customer = said.get("customer")
    if not isinstance(customer, dict):
        return None, None
    number, email = customer.get("id"), customer.get("email")
    customer_id = number if isinstance(number, int) and 0 < number < 2**63 else None
    return customer_id, normalise(email) if isinstance(email, str) and "@" in email else None


def _dossier(said: dict[str, Any]) -> Dossier | None:
    kept = said.get("dossier")
    if not isinstance(kept, dict):
        return None
    return Dossier(**{**kept, "keys": tuple(kept["keys"]), "emails": tuple(kept["emails"])})


def _keep(gateways: Gateways, request: Request, dossier: Dossier, seconds: float) -> None:
    content = orjson.dumps({"dossier": asdict(dossier)})
    sealed = gateways.vault.seal(content, context=body_context(request.digest))
    with gateways.database.transaction() as tx:
        privacy.later(tx, request.id, seconds, body=sealed)


def _later(gateways: Gateways, request: Request, seconds: float | None) -> None:
    wait = seconds if seconds is not None else min(LONGEST, 5.0 * 2.0 ** min(request.attempts, 20))
    with gateways.database.transaction() as tx:
        privacy.later(tx, request.id, wait)


def _done(gateways: Gateways, request: Request, proof: dict[str, Any]) -> None:
    with gateways.database.transaction() as tx:
        privacy.done(tx, request.id, proof)


def _subject(vault: Vault, customer_id: int | None) -> dict[str, str]:
    """Proof of whom it was about, to those only who know the number already."""
    return {"subject": vault.fingerprints(f"customer:{customer_id}")[0].hex()} if customer_id is not None else {}
