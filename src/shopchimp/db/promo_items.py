"""What promo runs ask of `commerce_items` beside the plain reading and writing: by rule, by run, for the page.

A rule's `shown` holds, beside what pages show, `reading`: the fingerprint under which all its codes were read. Without
it they are read again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

RULE, CODE = "promo_rule", "promo_code"


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """A rule as far as deleting it goes: `written` says whether Mailchimp has it."""

    id: str
    written: bool


@dataclass(frozen=True, slots=True)
class WrittenCode:
    """The same of a code, which goes by its rule."""

    id: str
    parent: str
    written: bool


@dataclass(frozen=True, slots=True)
class ListedCode:
    """A code as pages and the API list it, with its discount's words."""

    id: str
    state: str
    reason: str | None
    detail: str | None
    shown: Mapping[str, Any]
    discount: Mapping[str, Any]


def unseen_rules(tx: Connection, shop_id: int, run_id: UUID, *, limit: int) -> list[WrittenRule]:
    """Discounts that were in no page of this run."""
    query = text(
        """
        select id, digest is not null as written from commerce_items
        where shop_id = :shop and kind = 'promo_rule' and seen_run is distinct from :run order by id limit :limit
        """
    )
    return [WrittenRule(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "run": run_id, "limit": limit})]


def unseen_codes(
    tx: Connection, shop_id: int, rule_ids: Collection[str], run_id: UUID, *, after: str, limit: int
) -> list[WrittenCode]:
    """Codes of these discounts that this run has not seen, from just after an id."""
    query = text(
        """
        select id, parent, digest is not null as written from commerce_items
        where shop_id = :shop and kind = 'promo_code' and parent = any(:rules) and seen_run is distinct from :run
            and id > :after
        order by id limit :limit
        """
    )
    values = {"shop": shop_id, "rules": list(rule_ids), "run": run_id, "after": after, "limit": limit}
    return [WrittenCode(**row._mapping) for row in tx.execute(query, values)]


def codes_by_state(tx: Connection, shop_id: int, rule_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """How many codes each discount has in each state."""
    query = text(
        """
        select parent, state, count(*) as n from commerce_items
        where shop_id = :shop and kind = 'promo_code' and parent = any(:rules) group by parent, state
        """
    )
    found: dict[str, dict[str, int]] = {}
    for row in tx.execute(query, {"shop": shop_id, "rules": list(rule_ids)}):
        found.setdefault(row.parent, {})[row.state] = row.n
    return found


def failed_codes(tx: Connection, shop_id: int, rule_id: str, *, after: str, limit: int) -> dict[str, dict[str, Any]]:
    """Codes of a discount that Mailchimp refused, with what is shown of them."""
    query = text(
        """
        select id, shown from commerce_items
        where shop_id = :shop and kind = 'promo_code' and parent = :rule and state = 'failed' and id > :after
        order by id limit :limit
        """
    )
    values = {"shop": shop_id, "rule": rule_id, "after": after, "limit": limit}
    return {row.id: row.shown or {} for row in tx.execute(query, values)}


def forget_rule(tx: Connection, shop_id: int, rule_id: str) -> int:
    """The discount is gone. Gives back how many codes Mailchimp had of it."""
    codes = text(
        """
        with gone as (
            delete from commerce_items where shop_id = :shop and kind = 'promo_code' and parent = :rule
            returning digest is not null as written
        )
        select count(*) filter (where written) from gone
        """
    )
    written = int(tx.execute(codes, {"shop": shop_id, "rule": rule_id}).scalar_one())
    rule = text("delete from commerce_items where shop_id = :shop and kind = 'promo_rule' and id = :rule")
    tx.execute(rule, {"shop": shop_id, "rule": rule_id})
    return written


def void(tx: Connection, shop_id: int, rule_ids: Collection[str]) -> None:
    """The codes of these discounts are to be read again."""
    query = text(
        """
        update commerce_items set shown = shown - 'reading'
        where shop_id = :shop and kind = 'promo_rule' and id = any(:rules) and shown ? 'reading'
        """
    )
    if rule_ids:
        tx.execute(query, {"shop": shop_id, "rules": list(rule_ids)})


def void_codes(tx: Connection, shop_id: int, rule_ids: Collection[str]) -> None:
    """Mailchimp has none of these rules' codes any more: they went with their rule."""
    query = text(
        """
        update commerce_items set digest = null
        where shop_id = :shop and kind = 'promo_code' and parent = any(:rules) and digest is not null
        """
    )
    if rule_ids:
        tx.execute(query, {"shop": shop_id, "rules": list(rule_ids)})


def lost_rule(tx: Connection, shop_id: int, rule_id: str) -> None:
    """Mailchimp knows nothing of a rule that we thought it had: the next run adds it again, with its codes."""
    query = text(
        """
        update commerce_items set digest = null, shown = shown - 'reading'
        where shop_id = :shop and kind = 'promo_rule' and id = :rule
        """
    )
    tx.execute(query, {"shop": shop_id, "rule": rule_id})
    void_codes(tx, shop_id, [rule_id])


def complete(tx: Connection, shop_id: int, rule_id: str, reading: str) -> None:
    """All codes of the discount have been read under this fingerprint."""
    query = text(
        """
        update commerce_items set shown = shown || jsonb_build_object('reading', cast(:reading as text))
        where shop_id = :shop and kind = 'promo_rule' and id = :rule
        """
    )
    tx.execute(query, {"shop": shop_id, "rule": rule_id, "reading": reading})


def listed(
    tx: Connection, shop_id: int, *, state: str = "", reason: str = "", search: str = "", after: str = "", limit: int
) -> list[ListedCode]:
    """A page of the codes, from just after an id: in one state, for one reason, or those that begin like `search`."""
    wanted = "".join(
        (
            " and c.state = :state" if state else "",
            " and c.reason = :reason" if reason else "",
            " and starts_with(upper(c.shown ->> 'code'), upper(:search))" if search else "",
        )
    )
    query = text(
        f"""
        select c.id, c.state, c.reason, c.detail, coalesce(c.shown, '{{}}') as shown,
            coalesce(r.shown, '{{}}') - 'reading' as discount
        from commerce_items c
        left join commerce_items r on r.shop_id = c.shop_id and r.kind = 'promo_rule' and r.id = c.parent
        where c.shop_id = :shop and c.kind = 'promo_code' and c.id > :after {wanted}
        order by c.id limit :limit
        """
    )
    values = {"shop": shop_id, "state": state, "reason": reason, "search": search, "after": after, "limit": limit}
    return [ListedCode(**row._mapping) for row in tx.execute(query, values)]


def results(tx: Connection, shop_id: int, kind: str) -> dict[str, int]:
    """How many codes (or discounts) there are with each result."""
    query = text(
        "select state, count(*) as n from commerce_items where shop_id = :shop and kind = :kind group by state"
    )
    return {row.state: int(row.n) for row in tx.execute(query, {"shop": shop_id, "kind": kind})}
