"""The codes of a promo run: those that came with their discount, a page of a discount's many, and those that are gone.

A code costs a call only where its body differs from what Mailchimp took last. What a complete reading of a discount has
not seen is taken away; then the discount's fingerprint is kept, and until it changes nobody pages its codes again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from shopchimp.db import commerce_items, promo_items
from shopchimp.db.commerce_items import Item, State
from shopchimp.db.promo_items import CODE, RULE
from shopchimp.domain.commerce.promo_changes import Act, act, digest, is_complete
from shopchimp.domain.commerce.promos import promo_code
from shopchimp.domain.commerce.results import CommerceReason, Result, Unsupported, Write
from shopchimp.domain.commerce.shown import shown_code
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.domain.commerce.store import Node
from shopchimp.domain.errors import PlatformError
from shopchimp.services.commerce import promo_bulk
from shopchimp.services.commerce.promo_work import DONE, RULE_MISSING, Answer, Call, PromoWork
from shopchimp.shopify import commerce_discounts as discounts

AT_ONCE = 250
_ANY_RULE = Write({})  # a code repeats nothing of its rule


@dataclass(frozen=True, slots=True)
class _Code:
    """A code as it is, under its rule, and what we know of it."""

    id: str
    rule: Item
    node: Node
    result: Result
    known: Item | None

    @property
    def written(self) -> bytes | None:
        return self.known.digest if self.known else None

    @property
    def act(self) -> Act:
        """What is to be done. What goes with its rule needs no call, and without its rule there is none to make."""
        wanted = act(self.result, self.written)
        return Act.NONE if self.rule.digest is None else wanted


def inside(work: PromoWork, whole: Mapping[str, Sequence[Node]]) -> PlatformError | None:
    """The codes of discounts that came with them, by rule. Gives back what hinders the run, if anything does."""
    hindrance = take(work, [(rule_id, node) for rule_id, nodes in whole.items() for node in nodes])
    return hindrance or _sweep(work, list(whole))[1]


def step(work: PromoWork) -> PlatformError | None:
    """Go on with the first discount of the run's `todo`: a page of its codes, then those that are gone."""
    entry = work.run.cursor["todo"][0]
    if entry.get("retry"):
        return _retry(work, entry)
    return promo_bulk.step(work, entry) if "bulk" in entry else _read(work, entry)


def _read(work: PromoWork, entry: dict[str, Any]) -> PlatformError | None:
    found = discounts.codes_page(work.shopify, entry["id"], entry.get("after"))
    if found is None:  # deleted since its page was read: the end of the run takes its rule away
        _done(work, None)
        return None
    if hindrance := take(work, [(entry["id"], node) for node in found.nodes]):
        return hindrance
    entry |= {"after": found.after, "read": int(entry.get("read") or 0) + len(found.nodes)}
    if found.after is not None:
        with work.database.transaction() as tx:
            work.save(tx)
        return None
    if is_complete(entry["read"], entry.get("codes")):
        return finish(work, entry)
    entry["bulk"] = {}  # paging has come to its end, the codes have not
    with work.database.transaction() as tx:
        work.save(tx)
    return None


def finish(work: PromoWork, entry: Mapping[str, Any]) -> PlatformError | None:
    """All codes of the first of the `todo` were seen: what was not is gone."""
    clean, hindrance = _sweep(work, [entry["id"]])
    if hindrance is None:
        _done(work, entry["reading"] if clean else None)
    return hindrance


def _retry(work: PromoWork, entry: dict[str, Any]) -> PlatformError | None:
    """Nothing about the discount has changed, but Mailchimp refused some of its codes."""
    after = entry.get("after") or ""
    with work.database.transaction() as tx:
        failed = promo_items.failed_codes(tx, work.shop_id, entry["id"], after=after, limit=AT_ONCE)
    nodes = [
        {"id": code_id, "code": shown.get("code", ""), "asyncUsageCount": shown.get("used")}
        for code_id, shown in failed.items()
    ]
    if hindrance := take(work, [(entry["id"], node) for node in nodes]):
        return hindrance
    if len(failed) == AT_ONCE:
        entry["after"] = max(failed)
        with work.database.transaction() as tx:
            work.save(tx)
    else:
        _done(work, None)
    return None


def _done(work: PromoWork, reading: str | None) -> None:
    """The first of the `todo` is done. `reading`: all of its codes were seen, and it may rest until it changes."""
    entry = work.run.cursor["todo"].pop(0)
    with work.database.transaction() as tx:
        rule = commerce_items.get(tx, work.shop_id, RULE, [entry["id"]]).get(entry["id"])
        if reading is not None and rule is not None and (rule.digest is not None or rule.state == State.SKIPPED):
            promo_items.complete(tx, work.shop_id, entry["id"], reading)
        work.save(tx)


def take(work: PromoWork, given: Sequence[tuple[str, Node]]) -> PlatformError | None:
    """Write these codes, each given with its rule, as far as they differ, and store what became of them."""
    for start in range(0, len(given), AT_ONCE):
        codes = _known(work, given[start : start + AT_ONCE])
        calls = [_call(code) for code in codes if code.act is not Act.NONE]
        answers = work.write(calls)
        with work.database.transaction() as tx:
            _store(work, tx, codes, answers)
            work.save(tx)
        if hindrance := work.hindrance(answers):
            return hindrance
    return None


def _known(work: PromoWork, given: Sequence[tuple[str, Node]]) -> list[_Code]:
    ids = {short_id(node["id"]): (rule_id, node) for rule_id, node in given}
    with work.database.transaction() as tx:
        rules = commerce_items.get(tx, work.shop_id, RULE, {rule_id for rule_id, _ in given})
        known = commerce_items.get(tx, work.shop_id, CODE, ids)
    return [
        _Code(code_id, rules[rule_id], node, _mapped(work, rules[rule_id], node), known.get(code_id))
        for code_id, (rule_id, node) in ids.items()
        if rule_id in rules
    ]


def _mapped(work: PromoWork, rule: Item, node: Node) -> Result:
    if rule.state == State.SKIPPED:
        return Unsupported(CommerceReason(str(rule.reason)))
    return promo_code(node, _ANY_RULE, work.storefront)


def _call(code: _Code) -> Call:
    body = code.result.body if isinstance(code.result, Write) else None
    return Call(code.act, code.id, parent=code.rule.id, body=body)


def _store(work: PromoWork, tx: Connection, codes: Sequence[_Code], answers: Mapping[str, Answer]) -> None:
    items, same, missing = [], [], set()
    for code in codes:
        answer = answers.get(code.id, DONE)
        if answer.open:
            continue
        error = answer.error
        if error is not None and error.code == RULE_MISSING:
            missing.add(code.rule.id)
        item = _item(work, code, error)
        if code.known is None or code.known.seen_run != work.run.id:  # a page may be taken twice
            _count(work, code, item)
        if code.known is not None and _is_same(code.known, item):
            same.append(code.id)
        else:
            items.append(item)
    commerce_items.seen(tx, work.shop_id, CODE, same, work.run.id)
    commerce_items.put(tx, work.shop_id, items)
    for rule_id in missing:
        promo_items.lost_rule(tx, work.shop_id, rule_id)


def _item(work: PromoWork, code: _Code, error: PlatformError | None) -> Item:
    state, reason, detail, written = State.SYNCED, None, None, code.written
    if isinstance(code.result, Unsupported):
        state, reason, written = State.SKIPPED, code.result.reason.value, None
    elif isinstance(code.result, Write) and error is None:
        written = digest(code.result.body)
    if error is not None:
        state, reason, detail, written = State.FAILED, error.code, error.detail[:500], code.written
    elif state is State.SYNCED and code.rule.digest is None:  # Mailchimp refused its rule
        state, reason, detail, written = State.FAILED, code.rule.reason or RULE_MISSING, code.rule.detail, None
    return Item(
        kind=CODE,
        id=code.id,
        state=state,
        reason=reason,
        detail=detail,
        digest=written,
        parent=code.rule.id,
        shown=shown_code(code.node),
        written_at=work.now() if error is None and code.act is not Act.NONE else None,
        seen_run=work.run.id,
    )


def _is_same(known: Item, item: Item) -> bool:
    return (known.state, known.reason, known.digest, known.parent, known.shown) == (
        item.state,
        item.reason,
        item.digest,
        item.parent,
        item.shown,
    )


def _count(work: PromoWork, code: _Code, item: Item) -> None:
    if item.state == State.SYNCED:
        work.count(code.act.value)
    else:
        work.count("unsupported" if item.state == State.SKIPPED else "failed")


def _sweep(work: PromoWork, rule_ids: Sequence[str]) -> tuple[bool, PlatformError | None]:
    """Take away codes of discounts that were read completely and did not have them any more.

    Gives back whether all of them went, and what hinders the run.
    """
    after, clean = "", True
    while True:
        with work.database.transaction() as tx:
            rules = commerce_items.get(tx, work.shop_id, RULE, rule_ids)
            unseen = promo_items.unseen_codes(tx, work.shop_id, rule_ids, work.run.id, after=after, limit=AT_ONCE)
        if not unseen:
            return clean, None
        written = [code for code in unseen if code.written and rules[code.parent].digest is not None]
        answers = work.write([Call(Act.REMOVE, code.id, parent=code.parent) for code in written])
        gone = [code for code in unseen if answers.get(code.id, DONE).error is None]
        refused = [answer for answer in answers.values() if answer.error is not None and not answer.open]
        work.count("removed", sum(code.written for code in gone))
        work.count("failed", len(refused))
        with work.database.transaction() as tx:
            commerce_items.forget(tx, work.shop_id, CODE, [code.id for code in gone])
            work.save(tx)
        if hindrance := work.hindrance(answers):
            return False, hindrance
        after, clean = unseen[-1].id, clean and not refused
