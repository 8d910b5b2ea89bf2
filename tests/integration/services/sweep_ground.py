"""A shop after its first sync, and chores run by hand: what polls and audits are tested on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from shopchimp.db import chores
from shopchimp.db.chores import Chore
from shopchimp.services.gateways import Gateways
from stage import Stage

Doing = Callable[[Gateways, int, Chore], float]


def claim(played: Stage, name: str) -> Chore:
    """The chore as its job would claim it, going on where it was."""
    with played.database.transaction() as tx:
        chores.ensure(tx, played.shop_id, name)
        tx.execute(text("update chores set due_at = now() - interval '1 day' where name = :name"), {"name": name})
        chore = chores.claim(tx, names=[name], token=uuid4(), lease=60)
    assert chore is not None
    return chore


def do(played: Stage, call: Doing, name: str) -> float:
    """Once, from claim to end."""
    chore = claim(played, name)
    wait = call(played.runtime.gateways, played.shop_id, chore)
    with played.database.transaction() as tx:
        chores.done(tx, chore, wait)
    return wait


def first_sync(played: Stage) -> None:
    run_id = played.preview()
    played.start(run_id)
    played.until(run_id, "done")


def marked(played: Stage) -> dict[str, dict[str, Any]]:
    """The people who wait to be looked at, by key."""
    query = "select * from changes where shop_id = :shop and kind = 'person' order by key"
    return {row["key"]: row for row in played.rows(query, shop=played.shop_id)}


def forget_marks(played: Stage) -> None:
    with played.database.transaction() as tx:
        tx.execute(text("delete from changes"))
