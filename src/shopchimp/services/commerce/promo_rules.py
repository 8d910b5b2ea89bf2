"""The discounts of a promo run: a page of them as promo rules, and in the end those that are gone.

Every discount is looked at in every run, fifty a call; what has not changed costs nothing more. Whose codes have to be
read is noted in the run's `todo`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from shopchimp.db import commerce_items, promo_items
from shopchimp.db.commerce_items import Item, State
from shopchimp.db.promo_items import RULE
from shopchimp.domain.commerce.promo_changes import PAGE_END, Act, act, codes_count, digest, reading
from shopchimp.domain.commerce.promos import promo_rule
from shopchimp.domain.commerce.results import Result, Skip, Unsupported, Write
from shopchimp.domain.commerce.shown import shown_rule
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.domain.commerce.store import Node
from shopchimp.domain.errors import PlatformError
from shopchimp.services.commerce import promo_codes
from shopchimp.services.commerce.promo_work import DONE, Answer, Call, PromoWork
from shopchimp.shopify import commerce_discounts as discounts

BEFORE_THE_END = PAGE_END - 1_000  # discounts after which the walk begins anew, behind the last one
GONE_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class _Rule:
    """A discount as it is, and what we know of it."""

    id: str
    node: Node
    result: Result
    known: Item | None
    had_end: bool

    @property
    def written(self) -> bytes | None:
        return self.known.digest if self.known else None

    @property
    def act(self) -> Act:
        return act(self.result, self.written)

    @property
    def known_reading(self) -> str | None:
        return (self.known.shown or {}).get("reading") if self.known else None


def page(work: PromoWork) -> PlatformError | None:
    """Take the next page of discounts. Gives back what hinders the run, if anything does."""
    cursor = work.run.cursor
    query = f"{discounts.WITH_CODES} AND id:>{cursor['last']}" if cursor.get("last") else discounts.WITH_CODES
    found = discounts.discounts_page(work.shopify, cursor.get("after"), query)
    rules = _known(work, found.nodes)
    calls = [_call(work, rule) for rule in rules if rule.act is not Act.NONE]
    answers = work.write(calls)
    with work.database.transaction() as tx:
        whole = _store(work, tx, rules, answers)
        work.save(tx)  # not yet behind this page: it is taken again if this ends before its codes are written
    if hindrance := work.hindrance(answers) or promo_codes.inside(work, whole):
        return hindrance
    with work.database.transaction() as tx:
        _go_on(work, found.nodes, found.after)
        work.save(tx)
    return None


def _go_on(work: PromoWork, nodes: Sequence[Node], after: str | None) -> None:
    cursor = work.run.cursor
    cursor["seen"] = int(cursor.get("seen") or 0) + len(nodes)
    cursor["after"] = after
    if after is None:
        cursor["listed"] = True
    elif cursor["seen"] >= BEFORE_THE_END and nodes:
        cursor |= {"last": short_id(nodes[-1]["id"]), "seen": 0, "after": None}


def _known(work: PromoWork, nodes: Sequence[Node]) -> list[_Rule]:
    ids = [short_id(node["id"]) for node in nodes]
    with work.database.transaction() as tx:
        known = commerce_items.get(tx, work.shop_id, RULE, ids)
    rules = []
    for rule_id, node in zip(ids, nodes, strict=True):
        item = known.get(rule_id)
        had_end = bool(item and (item.shown or {}).get("ended"))
        result = promo_rule(node, work.storefront, had_end=had_end)
        if not isinstance(result, Skip):  # an automatic discount has no codes, and is in no page of those that have
            rules.append(_Rule(rule_id, node, result, item, had_end))
    return rules


def _call(work: PromoWork, rule: _Rule) -> Call:
    if not isinstance(rule.result, Write):
        return Call(Act.REMOVE, rule.id)
    again = None
    if rule.act is Act.ADD:  # one that is there without our knowing may have an end, which only another end replaces
        other = promo_rule(rule.node, work.storefront, had_end=True)
        again = other.body if isinstance(other, Write) else None
    return Call(rule.act, rule.id, body=rule.result.body, again=again)


def _store(
    work: PromoWork, tx: Connection, rules: Sequence[_Rule], answers: Mapping[str, Answer]
) -> dict[str, Sequence[Node]]:
    """Store what became of the rules; whose codes have to be read is noted. Gives back those whose codes came along."""
    items, without = [], []
    whole: dict[str, Sequence[Node]] = {}
    states = promo_items.codes_by_state(tx, work.shop_id, [rule.id for rule in rules])
    for rule in rules:
        answer = answers.get(rule.id, DONE)
        if answer.open:
            continue
        print_ = reading(rule.node, rule.result, work.storefront)
        if answer.error is None and (answer.made or rule.act is Act.REMOVE):
            without.append(rule.id)  # a new rule has no codes yet, and they go with one that is deleted
        item = _item(work, rule, answer)
        seen_before = rule.known is not None and rule.known.seen_run == work.run.id
        if not seen_before:
            _count(work, rule, answer)
        inside = discounts.codes_inside(dict(rule.node))
        if inside is not None:
            whole[rule.id] = inside
        elif rule.known_reading == print_ and not answer.made and item.state != State.FAILED:
            item.shown["reading"] = print_  # type: ignore[index]
            _leave(work, rule.id, states.get(rule.id, {}), count=not seen_before)
        else:
            _todo(work, {"id": rule.id, "reading": print_, **_how(rule.node)})
        items.append(item)
    commerce_items.put(tx, work.shop_id, items)
    promo_items.void_codes(tx, work.shop_id, without)
    return whole


def _leave(work: PromoWork, rule_id: str, states: Mapping[str, int], *, count: bool) -> None:
    """Nothing about this discount's codes has changed; those that were refused get another try."""
    if count:
        work.count("unchanged", states.get(State.SYNCED, 0))
        work.count("unsupported", states.get(State.SKIPPED, 0))
    if states.get(State.FAILED):
        _todo(work, {"id": rule_id, "retry": True})


def _how(node: Node) -> dict[str, Any]:
    """How many codes there are, and that paging would not reach all of them, where that is known beforehand."""
    codes = codes_count(node)
    return {"codes": codes, "bulk": {}} if codes is not None and codes > PAGE_END else {"codes": codes}


def _todo(work: PromoWork, entry: dict[str, Any]) -> None:
    todo = work.run.cursor.setdefault("todo", [])
    if all(each["id"] != entry["id"] for each in todo):  # the page may be taken twice
        todo.append(entry)


def _item(work: PromoWork, rule: _Rule, answer: Answer) -> Item:
    shown = shown_rule(rule.node, work.storefront)
    state, reason, detail, written = State.SYNCED, None, None, rule.written
    ended = rule.had_end
    if isinstance(rule.result, Write):
        if answer.error is None:
            written = digest(rule.result.body)
            ended = "ends_at" in rule.result.body
    elif isinstance(rule.result, (Unsupported, Skip)):
        state, reason, written = State.SKIPPED, rule.result.reason.value, None
    if answer.error is not None:
        state, reason, detail, written = State.FAILED, answer.error.code, answer.error.detail[:500], rule.written
    if ended:
        shown["ended"] = True
    return Item(
        kind=RULE,
        id=rule.id,
        state=state,
        reason=reason,
        detail=detail,
        digest=written,
        shown=shown,
        occurred_at=_time(rule.node, "createdAt"),
        source_updated_at=_time(rule.node, "updatedAt"),
        written_at=work.now() if rule.act is not Act.NONE and answer.error is None else None,
        seen_run=work.run.id,
    )


def _count(work: PromoWork, rule: _Rule, answer: Answer) -> None:
    if answer.error is not None:
        what = "failed"
    elif isinstance(rule.result, Write) or rule.act is Act.REMOVE:
        what = rule.act.value
    else:
        what = "unsupported"
    work.count(what, of_discounts=True)


def _time(node: Node, name: str) -> datetime | None:
    value = (node.get("discount") or {}).get(name)
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None


def gone(work: PromoWork) -> tuple[bool, PlatformError | None]:
    """Take away rules of discounts that are in no page. Gives back whether that is all, and what hinders the run.

    Each is asked for by its id first: a search may not show for a moment what is there.
    """
    with work.database.transaction() as tx:
        unseen = promo_items.unseen_rules(tx, work.shop_id, work.run.id, limit=GONE_AT_ONCE)
    if not unseen:
        return True, None
    there = [rule.id for rule in unseen if discounts.discount_by_id(work.shopify, rule.id) is not None]
    away = [rule for rule in unseen if rule.id not in there]
    answers = work.write([Call(Act.REMOVE, rule.id) for rule in away if rule.written])
    with work.database.transaction() as tx:
        commerce_items.seen(tx, work.shop_id, RULE, there, work.run.id)
        for rule in away:
            answer = answers.get(rule.id, DONE)
            if answer.error is None:
                work.count("removed", promo_items.forget_rule(tx, work.shop_id, rule.id))
                work.count("removed", of_discounts=True)
            elif not answer.open:  # refused: the next run tries again
                commerce_items.seen(tx, work.shop_id, RULE, [rule.id], work.run.id)
                work.count("failed", of_discounts=True)
        work.save(tx)
    return False, work.hindrance(answers)
