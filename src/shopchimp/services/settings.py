"""A shop's settings: what the merchant chose, with defaults that are safe, and how a change is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection

from shopchimp.db import notes, shops
from shopchimp.db.session import Database
from shopchimp.domain.consent import Policy
from shopchimp.domain.fields import DEFAULT_TAG, FieldMap, InvalidFieldMap


class InvalidSettings(ValueError):
    """The change was refused as a whole; `errors` says why, by field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in errors.items()))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """`conflict_policy` None means the merchant hasn't been asked yet (decision D1); `tag` empty means no tag."""

    conflict_policy: str | None = None
    sync_non_subscribed: bool = True
    tag: str = DEFAULT_TAG
    field_map: FieldMap = FieldMap.default()  # noqa: RUF009 - frozen

    def to_json(self) -> dict[str, Any]:
        """As stored and as the API shows it."""
        return {
            **{key: value for key, value in asdict(self).items() if key != "field_map"},
            "field_map": self.field_map.to_json(),
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
    }
    for name, check in checks.items():
        if name in stored:
            try:
                values[name] = check(stored[name])
            except ValueError as error:
                errors[name] = str(error)
    if errors:
        raise InvalidSettings(errors)
    return replace(ShopSettings(), **values)


def change(database: Database, shop_id: int, changes: Mapping[str, Any], *, by: str) -> ShopSettings:
    """Apply the changes or none of them, and note in the activity log who changed what."""
    with database.transaction() as tx:
        shops.lock(tx, shop_id)  # two changes at once: the second one sees the first
        before = get(tx, shop_id)
        after = parse({**before.to_json(), **changes})
        old, new = before.to_json(), after.to_json()
        changed = {name: {"before": old[name], "after": new[name]} for name in new if old[name] != new[name]}
        if changed:
            shops.save_settings(tx, shop_id, new)
            notes.add(tx, shop_id, kind="settings", detail={"by": by, "changed": changed})
    return after


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


def _field_map(value: object) -> FieldMap:
    try:
        return FieldMap.from_json(value)
    except InvalidFieldMap as error:
        raise ValueError(str(error)) from error
