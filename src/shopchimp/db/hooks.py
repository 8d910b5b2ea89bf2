"""The webhooks registered for a shop: Shopify's by topic, Mailchimp's by a secret path that is kept as a hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

_COLUMNS = "id, source, topic, external_id, path_digest, signing_secret, created_at, retired_at"


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook as stored. `topic` is Shopify's topic, or the audience id; `external_id` empty: being made."""

    id: int
    source: str
    topic: str
    external_id: str
    path_digest: bytes | None
    signing_secret: bytes | None
    created_at: datetime
    retired_at: datetime | None


def secret_context(shop_id: int, hook_id: int) -> str:
    """What a sealed signing secret is bound to."""
    return f"mailchimp-hook:{shop_id}:{hook_id}"


def of_shop(tx: Connection, shop_id: int, source: str) -> list[Hook]:
    """The shop's hooks at one platform, retired ones included, oldest first."""
    query = text(f"select {_COLUMNS} from hooks where shop_id = :shop and source = :source order by id")
    return [Hook(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "source": source})]


def begin(tx: Connection, shop_id: int, *, audience_id: str, path_digest: bytes) -> int:
    """The intent to make a Mailchimp hook; it hears nothing until `finish`."""
    query = text(
        """
        insert into hooks (shop_id, source, topic, external_id, path_digest)
        values (:shop, 'mailchimp', :audience, '', :digest) returning id
        """
    )
    values = {"shop": shop_id, "audience": audience_id, "digest": path_digest}
    return int(tx.execute(query, values).scalar_one())


def finish(tx: Connection, shop_id: int, hook_id: int, *, external_id: str, signing_secret: bytes | None) -> None:
    """The hook was made: from now on it is heard, signed where it has a secret."""
    query = text(
        """
        update hooks set external_id = :external, signing_secret = :secret, checked_at = now()
        where shop_id = :shop and id = :id
        """
    )
    tx.execute(query, {"shop": shop_id, "id": hook_id, "external": external_id, "secret": signing_secret})


def keep_shopify(tx: Connection, shop_id: int, found: Sequence[tuple[str, str]]) -> None:
    """These subscriptions (topic, id) are what the shop has now."""
    tx.execute(text("delete from hooks where shop_id = :shop and source = 'shopify'"), {"shop": shop_id})
    if found:
        query = text(
            "insert into hooks (shop_id, source, topic, external_id) values (:shop, 'shopify', :topic, :external)"
        )
        tx.execute(query, [{"shop": shop_id, "topic": topic, "external": external} for topic, external in found])


def seen(tx: Connection, shop_id: int, hook_ids: Sequence[int]) -> None:
    """These hooks are as they should be."""
    query = text("update hooks set checked_at = now() where shop_id = :shop and id = any(:ids)")
    tx.execute(query, {"shop": shop_id, "ids": list(hook_ids)})


def retire(tx: Connection, shop_id: int, hook_ids: Sequence[int]) -> None:
    """These hooks are replaced: heard for another day, since deliveries may be under way."""
    query = text("update hooks set retired_at = now() where shop_id = :shop and id = any(:ids) and retired_at is null")
    tx.execute(query, {"shop": shop_id, "ids": list(hook_ids)})


def forget(tx: Connection, shop_id: int, hook_ids: Sequence[int]) -> None:
    """These hooks are gone at the platform, and their paths are nobody's."""
    tx.execute(
        text("delete from hooks where shop_id = :shop and id = any(:ids)"), {"shop": shop_id, "ids": list(hook_ids)}
    )


def strangers(tx: Connection, path_digests: Sequence[bytes]) -> frozenset[bytes]:
    """Those of the paths that no shop of ours has."""
    query = text(
        "select d from unnest(cast(:digests as bytea[])) d where not exists (select from hooks where path_digest = d)"
    )
    return frozenset(bytes(row[0]) for row in tx.execute(query, {"digests": list(path_digests)}))
