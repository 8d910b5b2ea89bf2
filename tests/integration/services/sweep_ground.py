"""A shop after its first sync, and chores run by hand: what polls and audits are tested on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from shopchimp.services.gateways import Gateways
from stage import Stage

Chores = Callable[[Gateways, int, Any], float]


@dataclass
class Chore:
    name: str
    token: UUID | None = field(default_factory=uuid4)
    cursor: dict[str, Any] = field(default_factory=dict)


def claim(played: Stage, name: str) -> Chore:
    """The chore as its job would claim it, going on where it was."""
    chore = Chore(name)
    query = """
        insert into chores (shop_id, name, token) values (:shop, :name, :token)
        on conflict (shop_id, name) do update set token = excluded.token returning cursor
    """
    with played.database.transaction() as tx:
        values = {"shop": played.shop_id, "name": name, "token": chore.token}
        chore.cursor = tx.execute(text(query), values).scalar_one()
    return chore


def do(played: Stage, call: Chores, name: str) -> float:
    """Once, from claim to end."""
    return call(played.runtime.gateways, played.shop_id, claim(played, name))


def first_sync(played: Stage) -> None:
    run_id = played.preview()
    played.start(run_id)
    played.until(run_id, "done")


def marked(played: Stage) -> dict[str, dict[str, Any]]:
    """Who waits to be looked at, by key."""
    query = "select * from changes where shop_id = :shop order by key"
    return {row["key"]: row for row in played.rows(query, shop=played.shop_id)}


def forget_marks(played: Stage) -> None:
    with played.database.transaction() as tx:
        tx.execute(text("delete from changes"))
