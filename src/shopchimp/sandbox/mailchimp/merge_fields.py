"""`/lists/{list_id}/merge-fields` (mailchimp.md section 4, examples/merge-field-create.json)."""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import MERGE_FIELD_LIMIT, Audience, MergeField
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.merge import FIELD_TYPES
from shopchimp.sandbox.mailchimp.wire import Call, Problem, json_kind, not_found, schema_problem

_TAG: Final = re.compile(r"[A-Z0-9_]{1,10}")  # ten characters: UNVERIFIED
_RESERVED: Final = frozenset({"EMAIL", "REWARDS", "UNSUB", "UNIQID", "INTERESTS"})
_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    "tag": (str, "string"),
    "name": (str, "string"),
    "type": (str, "string"),
    "required": (bool, "boolean"),
    "default_value": (str, "string"),
    "public": (bool, "boolean"),
    "display_order": (int, "integer"),
    "options": (dict, "object"),
    "help_text": (str, "string"),
}
_DEFAULTS: Final[tuple[tuple[str, str, str, dict[str, Any]], ...]] = (
    ("FNAME", "First Name", "text", {"size": 25}),
    ("LNAME", "Last Name", "text", {"size": 25}),
    ("ADDRESS", "Address", "address", {"default_country": 164}),
    ("PHONE", "Phone Number", "phone", {"phone_format": "none"}),
    ("BIRTHDAY", "Birthday", "birthday", {"date_format": "MM/DD"}),
)


def defaults(audience: Audience) -> None:
    """What a new audience has."""
    for number, (tag, name, kind, options) in enumerate(_DEFAULTS, start=1):
        audience.set_merge_field(
            MergeField(number, tag, name, kind, public=True, display_order=number + 1, options=options)
        )


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    audience = account.audience(call.path["list_id"])
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    kind, required = call.query.get("type"), call.query.get("required")
    found = [
        each
        for each in sorted(audience.merge_fields.values(), key=lambda each: each.display_order)
        if kind in (None, each.type) and (required is None or call.flag("required") == each.required)
    ]
    document = {
        "merge_fields": [_document(audience, each) for each in found[offset : offset + count]],
        "list_id": audience.id,
        "total_items": len(found),
        "merge_field_limit": MERGE_FIELD_LIMIT,
        "_links": [],
    }
    return chosen(call, document)


def one(account: Account, call: Call) -> Mapping[str, Any]:
    audience, found = _known(account, call)
    return chosen(call, _alone(audience, found))


def post(account: Account, call: Call) -> Mapping[str, Any]:
    audience, body = account.audience(call.path["list_id"]), call.json()
    if len(audience.merge_fields) >= MERGE_FIELD_LIMIT:
        detail = f"This audience has reached its limit of {MERGE_FIELD_LIMIT} merge fields."
        raise Problem(400, "Invalid Resource", detail, errors=[("", detail)])
    _check(body, needed=("name", "type"))
    number = max(audience.merge_fields, default=0) + 1
    field = MergeField(
        merge_id=number,
        tag=_new_tag(audience, body.get("tag") or f"MMERGE{number}"),
        name=body["name"],
        type=body["type"],
        display_order=number + 1,
        public=body.get("public", False),
    )
    changed = _laid_over(field, body)
    audience.set_merge_field(changed)
    return _alone(audience, changed)


def patch(account: Account, call: Call) -> Mapping[str, Any]:
    audience, found = _known(account, call)
    body = {name: value for name, value in call.json().items() if name != "type"}
    _check(body, needed=("name",))
    changed = _laid_over(found, body)
    if body.get("tag") and body["tag"] != found.tag:
        changed = replace(changed, tag=_new_tag(audience, body["tag"]))
    audience.set_merge_field(changed)
    return _alone(audience, changed)


def delete(account: Account, call: Call) -> None:
    audience, found = _known(account, call)
    audience.drop_merge_field(found.merge_id)


def _laid_over(field: MergeField, body: Mapping[str, Any]) -> MergeField:
    names = ("name", "required", "default_value", "public", "display_order", "help_text")
    given = {name: body[name] for name in names if name in body}
    return replace(field, **given, options={**field.options, **body.get("options", {})})


def _check(body: Mapping[str, Any], *, needed: tuple[str, ...]) -> None:
    errors = [(name, "This value should not be blank.") for name in needed if not body.get(name)]
    for name, (kind, word) in _TYPES.items():
        if name in body and type(body[name]) is not kind:
            errors.append((name, f"Schema describes {word}, {json_kind(body[name])} found instead"))
    if not errors and body.get("type", "text") not in FIELD_TYPES:
        errors.append(("type", f"Value must be one of: {', '.join(FIELD_TYPES)}"))
    if errors:
        raise schema_problem(errors)


def _new_tag(audience: Audience, tag: str) -> str:
    wanted = tag.upper()
    taken = wanted in _RESERVED or wanted in audience.blank_merge
    if taken or not _TAG.fullmatch(wanted):
        said = f"A Merge Field with the tag '{wanted}' already exists for this list." if taken else "Invalid tag."
        raise Problem(400, "Invalid Resource", said, errors=[("tag", said)])
    return wanted


def _known(account: Account, call: Call) -> tuple[Audience, MergeField]:
    audience, key = account.audience(call.path["list_id"]), call.path["merge_id"]
    found = audience.merge_fields.get(int(key)) if key.isdecimal() else None
    if found is None:
        raise not_found()
    return audience, found


def _document(audience: Audience, field: MergeField) -> dict[str, Any]:
    return {**asdict(field), "list_id": audience.id, "_links": []}


def _alone(audience: Audience, field: MergeField) -> dict[str, Any]:
    limits = {"total_items": len(audience.merge_fields), "merge_field_limit": MERGE_FIELD_LIMIT}
    return {**_document(audience, field), **limits}
