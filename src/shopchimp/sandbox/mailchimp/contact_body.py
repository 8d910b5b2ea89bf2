"""The body of `POST` and `PATCH /audiences/{id}/contacts`, checked as the contract's ContactCreate and ContactPatch.

Names that the contract does not have are refused, so that a misspelt one is noticed; the live API's way is UNVERIFIED.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from shopchimp.sandbox.mailchimp.clock import bad_time, parsed
from shopchimp.sandbox.mailchimp.sms import CONSENTS, E164
from shopchimp.sandbox.mailchimp.wire import Problem, json_kind, schema_problem

_CONSENT: Final[Mapping[str, Any]] = {"status": "string", "captured_at": "string", "source": {"name": "string"}}
_PATCH: Final[Mapping[str, Any]] = {
    "language": "string",
    "email_channel": {"email": "string", "marketing_consent": _CONSENT},
    "sms_channel": {"sms_phone": "string", "marketing_consent": _CONSENT},
    "merge_fields": "object",
    "tags": "array",
}
_CREATE: Final[Mapping[str, Any]] = {**_PATCH, "update_existing": "boolean"}
_DATED: Final[Mapping[str, frozenset[str]]] = {  # whose `captured_at` is accepted (T)
    "email_channel": frozenset({"confirmed", "consented"}),
    "sms_channel": frozenset({"confirmed"}),
}


@dataclass(frozen=True, slots=True)
class Consent:
    status: str
    captured_at: int | None
    source: str


@dataclass(frozen=True, slots=True)
class ContactBody:
    email: str | None
    email_consent: Consent | None
    phone: str | None
    sms_consent: Consent | None
    merge_fields: dict[str, Any] | None
    language: str | None
    add_tags: tuple[str, ...]
    remove_tags: tuple[str, ...]
    update_existing: bool

    @classmethod
    def read(cls, body: Mapping[str, Any], *, new: bool) -> Self:
        _check(body, _CREATE if new else _PATCH, "")
        email, sms = body.get("email_channel", {}), body.get("sms_channel", {})
        phone = sms.get("sms_phone")
        if phone is not None and not E164.fullmatch(phone):
            said = "The phone number must be in E.164 format."  # exact text UNVERIFIED
            raise Problem(400, "Invalid Resource", said, errors=[("sms_channel.sms_phone", said)])
        add, remove = _tags(body.get("tags", []))
        # SMS consent cannot be denied on a contact that is being created (the contract's enum).
        statuses = tuple(each for each in CONSENTS if not (new and each == "denied"))
        return cls(
            email=email.get("email"),
            email_consent=_consent(email, "email_channel", CONSENTS),
            phone=phone,
            sms_consent=_consent(sms, "sms_channel", statuses),
            merge_fields=body.get("merge_fields"),
            language=body.get("language"),
            add_tags=add,
            remove_tags=remove,
            update_existing=body.get("update_existing", False),
        )

    def as_member(self, **more: Any) -> dict[str, Any]:
        """The part that `/lists/.../members` knows too."""
        body: dict[str, Any] = {"merge_fields": self.merge_fields or {}, **more}
        if self.email is not None:
            body["email_address"] = self.email
        if self.language is not None:
            body["language"] = self.language
        return body


def _check(value: Any, expected: Any, path: str) -> None:
    kind = expected if isinstance(expected, str) else "object"
    if json_kind(value) != kind:
        raise schema_problem([(path, f"Schema describes {kind}, {json_kind(value)} found instead")])
    if isinstance(expected, Mapping):
        for name, each in value.items():
            inner = f"{path}.{name}" if path else name
            if name not in expected:
                raise schema_problem([(inner, "This field was not expected.")])
            _check(each, expected[name], inner)


def _consent(channel: Mapping[str, Any], name: str, statuses: tuple[str, ...]) -> Consent | None:
    given = channel.get("marketing_consent")
    if given is None:
        return None
    path, status, text = f"{name}.marketing_consent", given.get("status"), given.get("captured_at")
    if status not in statuses:
        raise schema_problem([(f"{path}.status", f"Value must be one of: {', '.join(statuses)}")])
    captured_at = None
    if text is not None:
        captured_at = parsed(text)
        if captured_at is None:
            raise bad_time(f"{path}.captured_at")
        if status not in _DATED[name]:
            said = f"captured_at is accepted only with {' or '.join(sorted(_DATED[name]))}."  # exact text UNVERIFIED
            raise schema_problem([(f"{path}.captured_at", said)])
    return Consent(status, captured_at, given.get("source", {}).get("name", ""))


def _tags(given: list[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Plain names (3.0.91), or a name and a status as the later SDK allows."""
    add, remove = [], []
    for number, each in enumerate(given):
        if isinstance(each, str):
            add.append(each)
        elif isinstance(each, dict) and isinstance(each.get("name"), str) and each.get("status", "active") == "active":
            add.append(each["name"])
        elif isinstance(each, dict) and isinstance(each.get("name"), str) and each["status"] == "inactive":
            remove.append(each["name"])
        else:
            raise schema_problem([(f"tags.item:{number}", "Schema describes a string, or a name and a status")])
    return tuple(add), tuple(remove)
