"""The heartbeat of live sync, per direction: what arrived, was asked and was written last, and whether that is well.

A quiet shop is healthy: what counts is whether shopchimp asks and is answered. Silence of the webhooks alone is noticed
by what the polls find: a change that nobody told us of, while no webhook came.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from shopchimp.db import connections, heartbeats
from shopchimp.db.connections import ConnectionRow
from shopchimp.db.heartbeats import Beats
from shopchimp.domain.causes import cause

LATE_POLL = timedelta(minutes=20)  # four polls
LATE_CHECK = timedelta(hours=3)  # of the webhooks, three checks
SILENCE = timedelta(minutes=30)  # between the last webhook and a change that a poll had to find
STARTING = timedelta(minutes=20)  # live sync has just begun


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One direction. `troubles` says in words why it isn't healthy; each is a sentence."""

    direction: str
    healthy: bool
    troubles: tuple[str, ...]
    last_delivery_at: datetime | None
    last_poll_at: datetime | None
    last_write_at: datetime | None
    hooks_checked_at: datetime | None
    hooks: int


_SIDES = (
    ("to_mailchimp", "shopify", "Shopify", "poll_customers"),
    ("to_shopify", "mailchimp", "Mailchimp", "poll_contacts"),
)


def of(tx: Connection, shop_id: int, *, now: datetime) -> list[Heartbeat]:
    """Both directions of a shop's live sync."""
    connection = connections.get(tx, shop_id)
    found = []
    for direction, source, name, poll in _SIDES:
        beats = heartbeats.of(tx, shop_id, direction=direction, source=source, poll=poll)
        troubles = tuple(_troubles(connection, beats, name, now))
        found.append(
            Heartbeat(
                direction=direction,
                healthy=not troubles,
                troubles=troubles,
                last_delivery_at=beats.last_delivery_at,
                last_poll_at=beats.last_poll_at,
                last_write_at=beats.last_write_at,
                hooks_checked_at=beats.hooks_checked_at,
                hooks=beats.hooks,
            )
        )
    return found


def _troubles(connection: ConnectionRow | None, beats: Beats, name: str, now: datetime) -> list[str]:
    if connection is None or connection.audience_id is None:
        return ["No audience is connected."]
    if connection.state != "connected":
        code = "mc_audience_gone" if connection.state == "gone" else "mc_access_revoked"
        return [f"{cause(code).title}. {cause(code).explanation}"]
    if connection.live_since is None:
        return ["Live sync begins when the first sync is complete."]
    young = now - connection.live_since < STARTING
    troubles = []
    if beats.lane_trouble is not None:
        troubles.append(f"Changes wait: {cause(beats.lane_trouble).title}.")
    if beats.poll_trouble is not None:
        troubles.append(f"The last look at {name} failed: {cause(beats.poll_trouble).title}.")
    elif not young and (beats.last_poll_at is None or now - beats.last_poll_at > LATE_POLL):
        troubles.append(f"{name} was last asked for changes {_ago(beats.last_poll_at, now)}. Is a worker running?")
    if not young and beats.hooks == 0:
        troubles.append(f"{name} has no webhook of ours: changes arrive by polls only, every five minutes.")
    elif not young and (beats.hooks_checked_at is None or now - beats.hooks_checked_at > LATE_CHECK):
        troubles.append(f"The webhooks in {name} were last checked {_ago(beats.hooks_checked_at, now)}.")
    elif _silent(beats):
        troubles.append(f"A poll found changes in {name} that no webhook told. Webhooks may not reach this app.")
    return troubles


def _silent(beats: Beats) -> bool:
    """The last poll that had to mark somebody came long after the last webhook."""
    if beats.poll_marked_at is None:
        return False
    return beats.last_delivery_at is None or beats.poll_marked_at - beats.last_delivery_at > SILENCE


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    minutes = int((now - at).total_seconds() // 60)
    return f"{minutes} minutes ago" if minutes < 120 else f"{minutes // 60} hours ago"
