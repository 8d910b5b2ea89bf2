"""A shop's settings: what the merchant chose, with defaults that are safe, and how a change is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from shopchimp.db import backfills, chores, connections, notes, shops
from shopchimp.db.session import Database
from shopchimp.domain.consent import Policy
from shopchimp.domain.fields import DEFAULT_TAG, FieldMap, InvalidFieldMap
from shopchimp.domain.tags import LONGEST, TagChoice, TagRules, clean
from shopchimp.services.customer_events import switch


class InvalidSettings(ValueError):
    """The change was refused as a whole; `errors` says why, by field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in errors.items()))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class SmsSettings:
    """SMS sync: from which day of the shop's own calendar consent counts (S31), and whether a STOP comes back (D8)."""

    active: bool = False
    start_date: date | None = None
    two_way: bool = False

    def start(self, timezone: str) -> datetime | None:
        """The moment from which consent counts, or None while SMS sync is off."""
        if not self.active or self.start_date is None:
            return None
        try:
            zone = ZoneInfo(timezone)
        except (KeyError, ValueError, OSError):
            zone = ZoneInfo("UTC")
        return datetime(self.start_date.year, self.start_date.month, self.start_date.day, tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When live sync stops and asks (M9): more than `share` of the audience, and at least `least`, within an hour."""

    on: bool = True
    share: float = 0.02
    least: int = 50


_BREAKER = BreakerSettings()
TWO_WAY = ("FNAME", "LNAME")


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """`conflict_policy` None means the merchant hasn't been asked yet (decision D1); `tag` empty means no tag.

    `create_customers_since` is when that was switched on: only contacts newer than it become customers (S62).
    `field_map` knows its two-way fields, those of `two_way` that are mapped. `customer_events` governs both halves of
    Customer Event Syncing, what visitors do in the store and what contacts do with mails and texts (S39, S40).
    """

    conflict_policy: str | None = None
    sync_non_subscribed: bool = True
    tag: str = DEFAULT_TAG
    field_map: FieldMap = FieldMap.default().with_two_way(TWO_WAY)  # noqa: RUF009 - frozen
    two_way: tuple[str, ...] = TWO_WAY
    tags: TagChoice = TagChoice.ALL
    chosen_tags: tuple[str, ...] = ()
    create_customers: bool = False
    create_customers_since: datetime | None = None
    cleaned_to_customer: bool = True
    erase_contacts: bool = False
    sms: SmsSettings = SmsSettings()
    breaker: BreakerSettings = _BREAKER
    promo_hours: int = 3
    customer_events: bool = True

    @property
    def tag_rules(self) -> TagRules:
        """The rules for tags as the domain takes them."""
        return TagRules(self.tag, self.tags, self.chosen_tags)

    def to_json(self) -> dict[str, Any]:
        """As stored and as the API shows it."""
        since, sms = self.create_customers_since, self.sms
        return {
            **{field.name: getattr(self, field.name) for field in fields(self) if field.name not in _SHAPED},
            "field_map": self.field_map.to_json(),
            "two_way": list(self.two_way),
            "tags": self.tags.value,
            "chosen_tags": list(self.chosen_tags),
            "create_customers_since": since.isoformat() if since else None,
            "sms": {**asdict(sms), "start_date": sms.start_date.isoformat() if sms.start_date else None},
            "breaker": asdict(self.breaker),
        }

    def first_sync_json(self) -> dict[str, Any]:
        """What of it a first sync depends on: its preview is void when one of these changes, and only then."""
        return {name: value for name, value in self.to_json().items() if name in _OF_FIRST_SYNC}


_SHAPED = frozenset({"field_map", "two_way", "tags", "chosen_tags", "create_customers_since", "sms", "breaker"})
_OF_FIRST_SYNC = frozenset({"conflict_policy", "sync_non_subscribed", "tag", "field_map", "tags", "chosen_tags"})
_OWN_DOORS = {
    "create_customers_since": "is noted by shopchimp when Create New Customers is activated",
    "sms": "is switched on and off on its own page, where the start date is chosen",
}


def get(tx: Connection, shop_id: int) -> ShopSettings:
    """The shop's settings; what is not stored has its default."""
    shop = shops.get(tx, shop_id)
    return parse(shop.settings if shop else {})


def parse(stored: Mapping[str, Any]) -> ShopSettings:
    """Settings from their stored form. Raises InvalidSettings naming each field that does not fit."""
    known = {field.name for field in fields(ShopSettings)}
    errors: dict[str, str] = {name: "is not a setting" for name in stored if name not in known}
    values: dict[str, Any] = {}
    checks = {
        "conflict_policy": _policy,
        "sync_non_subscribed": _boolean,
        "tag": _tag,
        "field_map": _field_map,
        "two_way": _two_way,
        "tags": _tag_choice,
        "chosen_tags": _chosen_tags,
        "create_customers": _boolean,
        "create_customers_since": _moment,
        "cleaned_to_customer": _boolean,
        "erase_contacts": _boolean,
        "sms": _sms,
        "breaker": _breaker,
        "promo_hours": _promo_hours,
        "customer_events": _boolean,
    }
    for name, check in checks.items():
        if name in stored:
            try:
                values[name] = check(stored[name])
            except ValueError as error:
                errors[name] = str(error)
    if errors:
        raise InvalidSettings(errors)
    chosen = replace(ShopSettings(), **values)
    return replace(chosen, field_map=chosen.field_map.with_two_way(chosen.two_way))


def change(
    database: Database, shop_id: int, changes: Mapping[str, Any], *, by: str, now: datetime | None = None
) -> ShopSettings:
    """Apply the changes or none of them, and note in the activity log who changed what."""
    with database.transaction() as tx:
        shops.lock(tx, shop_id)  # two changes at once: the second one sees the first
        before = get(tx, shop_id).to_json()
        refused = {name: why for name, why in _OWN_DOORS.items() if name in changes and changes[name] != before[name]}
        if refused:
            raise InvalidSettings(refused)
        return apply(tx, shop_id, changes, by=by, now=now)


def apply(
    tx: Connection, shop_id: int, changes: Mapping[str, Any], *, by: str, now: datetime | None = None
) -> ShopSettings:
    """The same in a transaction that has locked the shop, for settings with a door of their own, too."""
    before = get(tx, shop_id)
    after = parse({**before.to_json(), **changes})
    if "two_way" in changes and (problems := after.field_map.two_way_problems(after.two_way)):
        raise InvalidSettings({"two_way": "; ".join(problems)})
    if after.create_customers and not before.create_customers:
        after = replace(after, create_customers_since=now or datetime.now(UTC))
    elif not after.create_customers:
        after = replace(after, create_customers_since=None)
    old, new = before.to_json(), after.to_json()
    changed = {name: {"before": old[name], "after": new[name]} for name in new if old[name] != new[name]}
    if changed:
        shops.save_settings(tx, shop_id, new)
        notes.add(tx, shop_id, kind="settings", detail={"by": by, "changed": changed})
    if "field_map" in changed:
        chores.hurry(tx, shop_id, "audience")  # which looks whether the fields are there and fit
    if "customer_events" in changed:
        switch.switched(tx, shop_id, on=after.customer_events)
    if changed.keys() & _ABOUT_EVERYBODY and _is_live(tx, shop_id):
        backfills.restart(tx, shop_id, backfills.TAGS, cursor={"everybody": True})
    return after


_ABOUT_EVERYBODY = frozenset({"field_map", "tags", "chosen_tags"})  # contacts that are there get what is new in it


def _is_live(tx: Connection, shop_id: int) -> bool:
    connection = connections.get(tx, shop_id)
    return connection is not None and connection.live_since is not None


def _policy(value: object) -> str | None:
    if value is None or value in set(Policy):
        return None if value is None else str(value)
    raise ValueError("must be mailchimp_wins or latest_choice_wins")


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - all refusals are one type
    return value


def _tag(value: object) -> str:
    if not isinstance(value, str) or len(value.strip()) > 100:
        raise ValueError("must be a text of at most 100 characters")
    return value.strip()


def _two_way(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_texts(value)))


def _tag_choice(value: object) -> TagChoice:
    if value not in set(TagChoice):
        raise ValueError("must be all, none or chosen")
    return TagChoice(str(value))


def _chosen_tags(value: object) -> tuple[str, ...]:
    tags = clean(_texts(value))
    if too_long := [tag for tag in tags if len(tag) > LONGEST]:
        raise ValueError(f"a tag has at most {LONGEST} characters: {too_long[0][:40]}…")
    return tags


def _texts(value: object) -> list[str]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) for text in value):
        raise ValueError("must be a list of texts")
    return list(value)


def _moment(value: object) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    if not isinstance(value, str) or (moment := datetime.fromisoformat(value)).tzinfo is None:
        raise ValueError("must be a time with its zone")
    return moment


def _sms(value: object) -> SmsSettings:
    if not isinstance(value, Mapping) or value.keys() - {"active", "start_date", "two_way"}:
        raise ValueError("has active, start_date and two_way")
    active, two_way = _boolean(value.get("active", False)), _boolean(value.get("two_way", False))
    start = value.get("start_date")
    try:
        start_date = date.fromisoformat(start) if start is not None else None
    except (TypeError, ValueError):
        raise ValueError("start date must be a day like 2026-11-22") from None
    if active and start_date is None:
        raise ValueError("choose a start date")
    return SmsSettings(active, start_date, two_way)


def _breaker(value: object) -> BreakerSettings:
    if not isinstance(value, Mapping) or value.keys() - {"on", "share", "least"}:
        raise ValueError("has on, share and least")
    share, least = value.get("share", _BREAKER.share), value.get("least", _BREAKER.least)
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise ValueError("share must be above 0 and at most 1")
    if isinstance(least, bool) or not isinstance(least, int) or not 1 <= least <= 1_000_000:
        raise ValueError("least must be a number of people, at least 1")
    return BreakerSettings(_boolean(value.get("on", True)), float(share), least)


def _promo_hours(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 24:
        raise ValueError("must be a number of hours from 1 to 24")
    return value


def _field_map(value: object) -> FieldMap:
    try:
        return FieldMap.from_json(value)
    except InvalidFieldMap as error:
        raise ValueError(str(error)) from error
