"""Merge values: what each type of field takes, and how it is kept (mailchimp.md section 4).

Sentences other than those of examples/errors.json are ours: the live ones are UNVERIFIED.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from shopchimp.sandbox.mailchimp.audience import Audience, MergeField
from shopchimp.sandbox.mailchimp.wire import json_kind

TEXT_BYTES: Final = 255
_NO_ADDRESS: Final = dict.fromkeys(("addr1", "addr2", "city", "state", "zip", "country"), "")
ENTER_VALUE: Final = "Please enter a value"
_BIRTHDAY: Final = re.compile(r"(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])")
_US_PHONE: Final = re.compile(r"\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}")
_DATES: Final = ("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d")


class MergeValueError(ValueError):
    """A value that its field does not take."""


def merged(
    audience: Audience, stored: bytes, given: Mapping[str, Any], *, skip_required: bool
) -> tuple[bytes, list[tuple[str, str]]]:
    """The stored values with the given ones laid over, and what is wrong. Tags the audience lacks are ignored."""
    values = orjson.loads(stored) if len(stored) > 2 else {}
    wrong = []
    for tag, value in given.items():
        field = audience.by_tag.get(tag)
        if field is None:
            continue
        try:
            kept = _KEEP[field.type](value, field)
        except MergeValueError as error:
            wrong.append((tag, str(error)))
            continue
        if kept == "":
            values.pop(tag, None)
        else:
            values[tag] = kept
    if not skip_required:
        wrong += [(tag, ENTER_VALUE) for tag in audience.required_tags if tag not in values]
    # Copied, because orjson hands over a buffer of a kilobyte or more for a few bytes.
    return bytes(memoryview(orjson.dumps(values, option=orjson.OPT_SORT_KEYS))), wrong


def _text(value: Any, _: MergeField) -> str:
    if type(value) is str and len(value) <= TEXT_BYTES // 4:
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MergeValueError(f"Schema describes string, {json_kind(value)} found instead")
    raw = str(value).encode()
    return str(value) if len(raw) <= TEXT_BYTES else raw[:TEXT_BYTES].decode(errors="ignore")


def _number(value: Any, _: MergeField) -> float | int | str:
    if value == "":
        return ""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise MergeValueError("Please enter a number") from None
    return int(number) if number.is_integer() else number


def _address(value: Any, field: MergeField) -> Any:
    """`addr1, city, state, zip` as strings; that state and zip may be empty abroad is UNVERIFIED."""
    if isinstance(value, str):
        return _text(value, field)
    if not isinstance(value, dict):
        raise MergeValueError(f"Schema describes object, {json_kind(value)} found instead")
    parts = {**_NO_ADDRESS, **value}
    if len(parts) > len(_NO_ADDRESS):
        parts = {name: parts[name] for name in _NO_ADDRESS}
    if set(map(type, parts.values())) != {str}:
        raise MergeValueError("Please enter a complete address")
    if not any(parts.values()):
        return ""
    if not (parts["addr1"] and parts["city"] and "state" in value and "zip" in value):
        raise MergeValueError("Please enter a complete address")
    parts["country"] = parts["country"] or "US"
    return parts


def _phone(value: Any, field: MergeField) -> str:
    text = _text(value, field)
    if text and field.options.get("phone_format") == "US" and not _US_PHONE.fullmatch(text):
        raise MergeValueError("Please enter a phone number in the format (###) ###-####")
    return text


def _date(value: Any, field: MergeField) -> str:
    text = _text(value, field)
    for style in _DATES if text else ():
        try:
            return datetime.strptime(text[:10], style).date().isoformat()  # noqa: DTZ007 - a day, no time
        except ValueError:
            continue
    if text:
        raise MergeValueError("Please enter a date")
    return ""


def _birthday(value: Any, field: MergeField) -> str:
    text = _text(value, field)
    found = _BIRTHDAY.fullmatch(text)
    if text and not found:
        raise MergeValueError("Please enter a month (01-12) and a day (01-31)")
    return f"{int(found[1]):02d}/{int(found[2]):02d}" if found else ""


def _zip(value: Any, field: MergeField) -> str:
    text = _text(value, field)
    if text and not (len(text) == 5 and text.isdecimal()):
        raise MergeValueError("Please enter a zip code (5 digits)")
    return text


def _url(value: Any, field: MergeField) -> str:
    text = _text(value, field)
    if text and not text.startswith(("http://", "https://")):
        raise MergeValueError("Please enter a URL")
    return text


def _choice(value: Any, field: MergeField) -> str:
    text = _text(value, field)
    choices = field.options.get("choices", [])
    if text and text not in choices:
        raise MergeValueError(f"Value must be one of: {', '.join(choices)}")
    return text


_KEEP: Final[Mapping[str, Callable[[Any, MergeField], Any]]] = {
    "text": _text,
    "number": _number,
    "address": _address,
    "phone": _phone,
    "date": _date,
    "url": _url,
    "imageurl": _url,
    "radio": _choice,
    "dropdown": _choice,
    "birthday": _birthday,
    "zip": _zip,
}
FIELD_TYPES: Final = tuple(_KEEP)
