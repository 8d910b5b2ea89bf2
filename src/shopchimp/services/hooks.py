"""Being told: registers the webhooks of a shop on both sides, and mends what an hourly look finds missing or changed.

Nothing depends on them: whoever isn't told finds out by the polls, minutes later. A creation is not idempotent on
either side, so each is look first, create, look again when the answer was unclear (reliability.md 3.1, rule 6).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from shopchimp.db import connections, hooks, shops
from shopchimp.db.crypto import VaultError
from shopchimp.db.hooks import Hook
from shopchimp.domain.errors import Gone, PlatformError, Rejected, Unavailable
from shopchimp.mailchimp import webhooks as mailchimp
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.webhooks import Webhook
from shopchimp.services.gateways import Gateways
from shopchimp.shopify import subscriptions

log = structlog.get_logger()

EVERY = 3600.0  # seconds between two looks
STILL_HEARD = timedelta(hours=24)  # how long a replaced hook goes on being heard
BEING_MADE = timedelta(minutes=10)  # after which a hook whose making we didn't hear the end of is given up
SHOPIFY_PATH = "/webhooks/shopify"
MAILCHIMP_PATH = "/webhooks/mailchimp/"

_Hooks = Mapping[bytes, Webhook]


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at both sides found and did. `refused`: topics that a platform won't tell us of, in its words."""

    fine: int = 0
    made: int = 0
    mended: int = 0
    removed: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: Found) -> Found:
        return Found(
            self.fine + other.fine,
            self.made + other.made,
            self.mended + other.mended,
            self.removed + other.removed,
            {**self.refused, **other.refused},
        )


def register(gateways: Gateways, shop_id: int) -> Found:
    """Have both platforms tell us of changes. The same as a look: what is missing is made."""
    return check(gateways, shop_id)


def check(gateways: Gateways, shop_id: int) -> Found:
    """Look at the webhooks on both sides and make, mend or remove what isn't as it should be."""
    return _check_shopify(gateways, shop_id) + _check_mailchimp(gateways, shop_id)


def chore(gateways: Gateways, shop_id: int, _chore: object = None) -> float:
    """The hourly look. Gives back the seconds until the next one."""
    found = check(gateways, shop_id)
    if found.refused:
        log.warning("webhooks_refused", count=len(found.refused))
    return EVERY


def unregister(gateways: Gateways, shop_id: int) -> None:
    """Be told no more, as far as the platforms still take our word for it. Call it while the tokens are there.

    What can't be removed now removes itself: a Mailchimp hook gets 410, and Shopify's end with the installation.
    """
    try:
        client = gateways.shopify(shop_id)
        for each in subscriptions.all_subscriptions(client):
            if each.name.startswith(subscriptions.PREFIX) and each.topic != "APP_UNINSTALLED":
                subscriptions.delete(client, each.id)
    except (PlatformError, VaultError) as error:  # a token that can't be opened any more must not keep the shop here
        log.warning("webhooks_left_behind", platform="shopify", error=type(error).__name__)
    with gateways.database.transaction() as tx:
        rows = hooks.of_shop(tx, shop_id, "mailchimp")
        hooks.retire(tx, shop_id, [row.id for row in rows])
        hooks.keep_shopify(tx, shop_id, [])
    try:
        client_of_mailchimp = gateways.mailchimp(shop_id)
        for row in rows:
            if row.external_id:
                _delete(client_of_mailchimp, row.topic, row.external_id)
    except (PlatformError, VaultError) as error:  # a token that can't be opened any more must not keep the shop here
        log.warning("webhooks_left_behind", platform="mailchimp", error=type(error).__name__)


def _check_shopify(gateways: Gateways, shop_id: int) -> Found:
    with gateways.database.transaction() as tx:
        shop = shops.get(tx, shop_id)
    client, uri = gateways.shopify(shop_id), gateways.shopify_app.app_url + SHOPIFY_PATH
    ours = [
        each
        for each in subscriptions.all_subscriptions(client)
        if each.uri == uri or each.name.startswith(subscriptions.PREFIX)
    ]
    found, kept = Found(), []
    for topic in subscriptions.wanted(shop.scopes if shop else ""):
        same = sorted((each for each in ours if each.topic == topic), key=lambda each: (not each.hears(uri), each.id))
        if not same:
            words = subscriptions.create(client, topic, uri)
            found += Found(refused={topic: words}) if words else Found(made=1)
            continue
        best = same[0]
        kept.append(best.id)
        if best.hears(uri):
            found += Found(fine=1)
        else:
            words = subscriptions.update(client, best, uri)
            found += Found(refused={topic: words}) if words else Found(mended=1)
    for each in ours:
        if each.id not in kept:
            subscriptions.delete(client, each.id)
            found += Found(removed=1)
    if found.made or found.mended or found.removed:
        ours = [each for each in subscriptions.all_subscriptions(client) if each.uri == uri]
    with gateways.database.transaction() as tx:
        hooks.keep_shopify(tx, shop_id, [(each.topic, each.id) for each in ours])
    return found


def _check_mailchimp(gateways: Gateways, shop_id: int) -> Found:
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        rows = hooks.of_shop(tx, shop_id, "mailchimp")
    if connection is None or connection.audience_id is None:
        return Found()
    client, audience_id = gateways.mailchimp(shop_id), connection.audience_id
    there = _by_path(mailchimp.all_webhooks(client, audience_id), gateways.shopify_app.app_url)
    good, found = None, Found()
    for row in reversed(rows):
        webhook = there.get(row.path_digest or b"")
        if webhook is None or not _is_good(gateways, shop_id, row, webhook, audience_id):
            continue
        good = row
        if webhook.hears_everything:
            found += Found(fine=1)
        else:
            with suppress(Gone, Rejected):  # removed this very moment: the next look makes a new one
                mailchimp.mend(client, audience_id, webhook.id)
            found += Found(mended=1)
        break
    if good is None:
        found += _make(gateways, shop_id, client, audience_id)
        if found.refused:
            return found
    with gateways.database.transaction() as tx:
        hooks.seen(tx, shop_id, [good.id] if good is not None else [])
        hooks.retire(tx, shop_id, [row.id for row in rows if row is not good])
    others = [row for row in rows if row is not good]
    return found + _remove_old(gateways, shop_id, client, audience_id=audience_id, rows=others, there=there)


def _is_good(gateways: Gateways, shop_id: int, row: Hook, webhook: Webhook, audience_id: str) -> bool:
    """Whether we can hear this hook: it is of this audience, in use, and we have the secret it is signed with."""
    if row.retired_at is not None or row.topic != audience_id or not row.external_id:
        return False
    if row.signing_secret is None:
        return not webhook.signed
    try:
        gateways.vault.open(row.signing_secret, context=hooks.secret_context(shop_id, row.id))
    except VaultError:
        return False
    return True


def _make(gateways: Gateways, shop_id: int, client: MailchimpClient, audience_id: str) -> Found:
    """A new hook: its path is stored first, so that one that was made without our hearing of it is known as ours."""
    path = secrets.token_urlsafe(32)
    url = gateways.shopify_app.app_url + MAILCHIMP_PATH + path
    with gateways.database.transaction() as tx:
        hook_id = hooks.begin(tx, shop_id, audience_id=audience_id, path_digest=_digest(path))
    try:
        made = mailchimp.create(client, audience_id, url)
    except Rejected as error:
        with gateways.database.transaction() as tx:
            hooks.forget(tx, shop_id, [hook_id])
        log.warning("webhook_refused", platform="mailchimp", code=error.code)
        return Found(refused={"mailchimp": error.detail})
    except Unavailable:
        # it may be there: but its signing secret was in the answer that we missed, so it is of no use
        for webhook in mailchimp.all_webhooks(client, audience_id):
            if webhook.url == url:
                _delete(client, audience_id, webhook.id)
        raise
    sealed = None
    if made.signing_secret is not None:
        context = hooks.secret_context(shop_id, hook_id)
        sealed = gateways.vault.seal(made.signing_secret.encode(), context=context)
    with gateways.database.transaction() as tx:
        hooks.finish(tx, shop_id, hook_id, external_id=made.id, signing_secret=sealed)
    return Found(made=1)


def _remove_old(
    gateways: Gateways, shop_id: int, client: MailchimpClient, *, audience_id: str, rows: list[Hook], there: _Hooks
) -> Found:
    """Hooks that were replaced go a day later; those that nobody knows any more (a restored backup) go now."""
    now, gone = gateways.clock(), []
    for row in rows:
        if row.external_id:
            over = row.retired_at is not None and now - row.retired_at > STILL_HEARD
        else:
            over = now - row.created_at > BEING_MADE
        if not over:
            continue
        webhook = there.get(row.path_digest or b"")
        if webhook is not None or row.external_id:  # not in the list: of an audience that was chosen before
            _delete(client, row.topic, webhook.id if webhook is not None else row.external_id)
        gone.append(row)
    with gateways.database.transaction() as tx:
        lost = hooks.strangers(tx, list(there))  # none of any shop's: two shops may have the same audience
        hooks.forget(tx, shop_id, [row.id for row in gone])
    for digest in lost:
        _delete(client, audience_id, there[digest].id)
    return Found(removed=len(gone) + len(lost))


def _delete(client: MailchimpClient, audience_id: str, webhook_id: str) -> None:
    """Remove a hook; one that is gone already is as good, and so is one of an audience that is gone."""
    with suppress(Gone, Rejected):
        mailchimp.delete(client, audience_id, webhook_id)


def _by_path(found: list[Webhook], app_url: str) -> dict[bytes, Webhook]:
    """The hooks that lead to us, by the hash of their secret."""
    prefix = app_url + MAILCHIMP_PATH
    return {_digest(each.url.removeprefix(prefix)): each for each in found if each.url.startswith(prefix)}


def _digest(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest()
