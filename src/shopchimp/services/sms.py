"""SMS sync as the merchant handles it: whether it can be switched on and why not, how many people, on and off.

It needs a finished first sync (S28), an approved SMS programme in Mailchimp (S29) and a start date (S31).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from shopchimp.db import backfills, connections, shops
from shopchimp.db.backfills import SmsCounts, SmsPerson
from shopchimp.domain.causes import Cause, cause
from shopchimp.domain.errors import PlatformError
from shopchimp.mailchimp import sms as mailchimp_sms
from shopchimp.mailchimp.sms import Approval
from shopchimp.services import backfills as backfilling
from shopchimp.services import settings
from shopchimp.services.gateways import Gateways
from shopchimp.services.settings import SmsSettings

HINT = "Text only people who engaged lately or whom you have texted before."
"""S34, the best practice shown at the start date."""


class SmsRefused(Exception):
    """SMS sync can't be switched on; `code` is in the catalogue of causes."""

    def __init__(self, code: str) -> None:
        super().__init__(cause(code).title)
        self.code = code
        self.message = f"{cause(code).title}. {cause(code).explanation}"


@dataclass(frozen=True, slots=True)
class SmsStatus:
    """How SMS sync stands. Where it can't be switched on, `code` and `why` say what is missing."""

    chosen: SmsSettings
    available: bool
    code: str | None = None
    detail: str = ""
    hint: str = HINT

    @property
    def why(self) -> Cause | None:
        """The same in words."""
        return cause(self.code) if self.code else None


def status(gateways: Gateways, shop_id: int) -> SmsStatus:
    """Whether SMS sync is on, and whether it can be; asks Mailchimp, whose silence is a reason too."""
    with gateways.database.transaction() as tx:
        chosen = settings.get(tx, shop_id).sms
        connection = connections.get(tx, shop_id)
    if connection is None or connection.audience_id is None or connection.live_since is None:
        return SmsStatus(chosen, available=False, code="sms_first_sync")
    try:
        found = mailchimp_sms.programme(gateways.mailchimp(shop_id), connection.audience_id)
    except PlatformError as error:
        return SmsStatus(chosen, available=False, code=error.code, detail=error.detail)
    if found.approval is not Approval.APPROVED:
        return SmsStatus(chosen, available=False, code=found.approval.value, detail=found.words)
    return SmsStatus(chosen, available=True)


def count(tx: Connection, shop_id: int, start_date: date) -> SmsCounts:
    """How many people this start date would take in, before it is saved (S31, S33)."""
    return backfills.sms_counts(tx, shop_id, _start(tx, shop_id, start_date))


def people(tx: Connection, shop_id: int, start_date: date, *, group: str, after: int = 0) -> list[SmsPerson]:
    """The people behind one of these numbers, 50 at a time."""
    return backfills.sms_people(tx, shop_id, _start(tx, shop_id, start_date), group=group, after=after)


def activate(gateways: Gateways, shop_id: int, *, start_date: date, two_way: bool = False, by: str) -> SmsSettings:
    """Switch SMS sync on, or move its date: the backfill carries what the date takes in. Raises SmsRefused."""
    found = status(gateways, shop_id)
    if found.code is not None:
        raise SmsRefused(found.code)
    chosen = {"active": True, "start_date": start_date.isoformat(), "two_way": two_way}
    return _save(gateways, shop_id, chosen, by=by)


def deactivate(gateways: Gateways, shop_id: int, *, by: str) -> SmsSettings:
    """Switch it off. What was sent stays in Mailchimp, and so does what is known of who opted out."""
    with gateways.database.transaction() as tx:
        before = settings.get(tx, shop_id).to_json()["sms"]
    return _save(gateways, shop_id, {**before, "active": False}, by=by)


def _save(gateways: Gateways, shop_id: int, chosen: dict[str, object], *, by: str) -> SmsSettings:
    with gateways.database.transaction() as tx:
        shops.lock(tx, shop_id)
        after = settings.apply(tx, shop_id, {"sms": chosen}, by=by)
        if after.sms.active:
            backfilling.start_sms(tx, shop_id)
    return after.sms


def _start(tx: Connection, shop_id: int, start_date: date) -> datetime:
    shop = shops.get(tx, shop_id)
    start = SmsSettings(active=True, start_date=start_date).start(shop.timezone if shop else "UTC")
    assert start is not None  # noqa: S101 - tells the type checker
    return start
