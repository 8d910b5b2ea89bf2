"""What the operator's commands do: examine the house, make and follow a run, tell about one person."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import redis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import text

from shopchimp.db import promo_runs
from shopchimp.db import sync_runs as runs
from shopchimp.domain.causes import cause
from shopchimp.domain.consent import Policy
from shopchimp.jobs.wake import wake
from shopchimp.runtime import Runtime
from shopchimp.services import people, sync_runs
from shopchimp.services.commerce import promo, promo_report
from shopchimp.services.sync_runs import ENDED, RunState, StartRefused

Finding = tuple[str, bool, str]


class Refused(Exception):
    """The command can't do what was asked; the text says why and what to do."""


def examine(runtime: Runtime) -> list[Finding]:
    """Each part of the house: its name, whether it is well, and in words what was found."""
    return [_examine_postgres(runtime), _examine_redis(runtime), _examine_workers(runtime)]


def _examine_postgres(runtime: Runtime) -> Finding:
    try:
        ready = runtime.database.is_ready()
    except Exception as error:  # noqa: BLE001 - a finding, whatever it is
        return "postgres", False, f"doesn't answer ({type(error).__name__}); check DATABASE_URL"
    return "postgres", ready, "answers, tables are there" if ready else "has no tables yet: run `shopchimp migrate`"


def _examine_redis(runtime: Runtime) -> Finding:
    try:
        with redis.Redis.from_url(runtime.redis_url, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        words = f"doesn't answer ({type(error).__name__}); work goes on, only slower. Check REDIS_URL"
        return "redis", False, words
    return "redis", True, "answers"


def _examine_workers(runtime: Runtime) -> Finding:
    query = text("select count(*) from workers where seen_at > now() - interval '1 minute'")
    try:
        with runtime.database.transaction() as tx:
            alive = tx.execute(query).scalar_one()
    except Exception as error:  # noqa: BLE001 - a finding, whatever it is
        return "workers", False, f"can't be counted ({type(error).__name__})"
    return "workers", alive > 0, f"{alive} alive" if alive else "none was seen for a minute: run `shopchimp worker`"


def preview_now(runtime: Runtime, shop: str, console: Console) -> dict[str, Any]:
    """Make a preview and wait for it."""
    shop_id = _shop_id(runtime, shop)
    run = _prepared(runtime, shop_id, console)
    return {"run": str(run.id), "state": run.state, "counts": run.counts, "expires_at": run.expires_at}


def sync_now(
    runtime: Runtime, shop: str, console: Console, *, policy: str, ask: Callable[[str], bool]
) -> dict[str, Any]:
    """Make a preview, start it when `ask` agrees, follow it to its end."""
    if policy and policy not in set(Policy):
        raise Refused(f"--policy must be one of {', '.join(Policy)}")
    shop_id = _shop_id(runtime, shop)
    run = _prepared(runtime, shop_id, console)
    question = (
        f"{run.counts.get('contact_writes', 0)} contacts and the consent of {run.counts.get('consent_writes', 0)}"
        " customers will be written. Start?"
    )
    if not ask(question):
        raise Refused("Nothing was written.")
    try:
        sync_runs.start(runtime.database, shop_id, run.id, policy=Policy(policy) if policy else None, confirmed=True)
    except StartRefused as error:
        raise Refused(error.message) from None
    wake()
    run = _follow(runtime, shop_id, run.id, console, until=ENDED | {RunState.NEEDS_YOU})
    _demand(run, RunState.DONE)
    return {"run": str(run.id), **run.counts["result"], "seconds": run.timings, "calls": run.calls}


def promo_codes_now(runtime: Runtime, shop: str, console: Console) -> dict[str, Any]:
    """Sync the promo codes and wait until it is done; a run that is under way is followed instead."""
    shop_id = _shop_id(runtime, shop)
    try:
        run_id = promo.request(runtime.database, shop_id, "cli").id
    except StartRefused as error:
        raise Refused(error.message) from None
    wake()
    with console.status("waiting for a worker") as line:
        while True:
            with runtime.database.transaction() as tx:
                run = promo_runs.get(tx, shop_id, run_id)
            if run is None:
                raise Refused("The run is gone: the shop was disconnected.")
            if run.state != "running":
                break
            known = (run.trouble or {}).get("code")
            hindered = f", held up: {cause(known).title}" if known else ""
            line.update(f"{promo_report.told(run).done:,} codes{hindered}")
            time.sleep(0.2)
    if run.state == "failed":
        words = cause((run.trouble or {}).get("code", "internal"))
        raise Refused(f"The promo codes weren't synced: {words.title}. {words.explanation}")
    return {"run": str(run.id), **promo_report.told(run).counts, "calls": run.counts.get("calls", {})}


def why_now(runtime: Runtime, shop: str, email: str) -> dict[str, Any]:
    """The chain of evidence about one person."""
    shop_id = _shop_id(runtime, shop)
    found = people.search(runtime.database, shop_id, email)
    if found is None:
        raise Refused("Nobody with this address was synced.")
    answer = people.why(runtime.database, shop_id, found.id)
    if answer is None:
        raise Refused("Nobody with this address was synced.")
    lines = [answer.verdict, *(f"{_moment(step.at)}  {step.text}" for step in answer.steps)]
    return {"verdict": answer.verdict, "steps": [_step(step) for step in answer.steps], "lines": lines}


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "time unknown    "


def _step(step: Any) -> dict[str, Any]:
    return {name: getattr(step, name) for name in step.__slots__}


def _prepared(runtime: Runtime, shop_id: int, console: Console) -> runs.Run:
    try:
        run_id = sync_runs.make_preview(runtime.database, shop_id)
    except StartRefused as error:
        raise Refused(error.message) from None
    wake()
    run = _follow(runtime, shop_id, run_id, console, until=ENDED | {RunState.READY, RunState.NEEDS_YOU})
    _demand(run, RunState.READY)
    return run


def _demand(run: runs.Run, state: RunState) -> None:
    if run.state != state:
        words = cause((run.trouble or {}).get("code", "internal"))
        raise Refused(f"The run is {run.state}: {words.title}. {words.explanation}")


def _follow(
    runtime: Runtime, shop_id: int, run_id: UUID, console: Console, *, until: frozenset[RunState] | set[RunState]
) -> runs.Run:
    """Show a bar until the run is in one of these states."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("waiting for a worker", total=None)
        while True:
            with runtime.database.transaction() as tx:
                run = runs.get(tx, shop_id, run_id)
                done = tx.execute(_DONE, {"run": run_id}).scalar_one()
            if run is None:
                raise Refused("The run is gone.")
            total = run.counts.get("contact_writes", 0) + run.counts.get("consent_writes", 0)
            bar.update(task, description=run.phase.replace("_", " "), completed=done, total=total or None)
            if run.state in until:
                return run
            time.sleep(0.2)


_DONE = text("select coalesce(sum(size), 0) from run_chunks where run_id = :run and finished_at is not null")


def _shop_id(runtime: Runtime, domain: str) -> int:
    with runtime.database.transaction() as tx:
        query = text("select id, domain from shops where uninstalled_at is null and (domain = :domain or :domain = '')")
        found = tx.execute(query, {"domain": domain}).all()
    if len(found) == 1:
        return int(found[0].id)
    if not found:
        raise Refused("No such shop has the app." if domain else "No shop has the app yet.")
    raise Refused(f"Several shops have the app; say which by --shop: {', '.join(row.domain for row in found[:20])}")
