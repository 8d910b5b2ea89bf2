"""The calls about one member (mailchimp.md section 5)."""

from collections.abc import Mapping
from typing import Any

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.announcing import Why, glimpse
from shopchimp.sandbox.mailchimp.audience import WITHOUT_ADDRESS, Audience, Member, digest_of
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.fields import asked, chosen
from shopchimp.sandbox.mailchimp.render import shape, whole
from shopchimp.sandbox.mailchimp.wire import Call, json_kind, not_found, schema_problem
from shopchimp.sandbox.mailchimp.writing import (
    PATCHABLE,
    WRITABLE,
    already_member,
    check_compliance,
    check_schema,
    create,
    update,
)

NEW = frozenset({"contact", "consent"})


def one(account: Account, call: Call) -> Mapping[str, Any]:
    audience, member = known_member(account, call)
    return shape(*asked(call))(audience, (member,))[0]


def post(account: Account, call: Call) -> Mapping[str, Any]:
    audience, body = account.audience(call.path["list_id"]), call.json()
    _need(body, "email_address", "status")
    check_schema(body, WRITABLE)
    skip = call.flag("skip_merge_validation")
    member = audience.by_address(body["email_address"])
    if member is None:
        member = create(audience, body, body["status"], skip_required=skip)
        account.wrote(audience, member, NEW, None)
        return whole(audience, member)
    check_compliance(member, body["status"])
    if member.status != "archived":  # archived members can be added back (pmpro-mailchimp#152)
        raise already_member(member.email)
    before = glimpse(member)
    account.wrote(audience, member, update(audience, member, body, body["status"], skip_required=skip), before)
    return whole(audience, member)


def put(account: Account, call: Call) -> Mapping[str, Any]:
    """The upsert: `status_if_new` for the unknown, `status` overwrites, tags are not part of it."""
    audience, body = account.audience(call.path["list_id"]), _without_tags(call.json())
    _need(body, "email_address")
    check_schema(body, WRITABLE)
    skip = call.flag("skip_merge_validation")
    member = audience.by_key(call.path["subscriber_hash"])
    if member is None or member.status in WITHOUT_ADDRESS:
        member = audience.by_address(body["email_address"])
    if member is None:
        if (
            digest_of(body["email_address"]).hex() != call.path["subscriber_hash"]
            and "@" not in call.path["subscriber_hash"]
        ):
            raise not_found()
        status = body.get("status_if_new") or body.get("status")
        if status is None:
            raise schema_problem([("status_if_new", "This value should not be blank.")])
        member = create(audience, body, status, skip_required=skip)
        account.wrote(audience, member, NEW, None)
    else:
        before = glimpse(member)
        changed = update(audience, member, body, body.get("status"), skip_required=skip)
        account.wrote(audience, member, changed, before)
    return whole(audience, member)


def patch(account: Account, call: Call) -> Mapping[str, Any]:
    audience, member = known_member(account, call)
    body = _without_tags(call.json())
    check_schema(body, PATCHABLE)
    skip, before = call.flag("skip_merge_validation"), glimpse(member)
    account.wrote(audience, member, update(audience, member, body, body.get("status"), skip_required=skip), before)
    return whole(audience, member)


def archive(account: Account, call: Call) -> None:
    audience, member = known_member(account, call)
    if member.status == "archived":
        raise not_found()
    before = glimpse(member)
    audience.set_status(member, "archived")
    audience.touch(member)
    account.wrote(audience, member, frozenset({"consent"}), before)


def delete_permanent(account: Account, call: Call) -> None:
    audience, member = known_member(account, call, hash_only=True)
    account.wrote(audience, member, frozenset({"forgotten"}), glimpse(member), why=Why(forgotten=True))
    audience.forget(member)


def tags(account: Account, call: Call) -> Mapping[str, Any]:
    audience, member = known_member(account, call)
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    shown = [{"id": tag, "name": audience.tag_names[tag], "date_added": written(at)} for tag, at in member.tags]
    return chosen(call, {"tags": shown[offset : offset + count], "total_items": len(shown), "_links": []})


def change_tags(account: Account, call: Call) -> None:
    audience, member = known_member(account, call, hash_only=True)
    body = call.json()
    given = body.get("tags")
    if type(body.get("is_syncing", False)) is not bool:  # it keeps automations quiet
        raise schema_problem(
            [("is_syncing", f"Schema describes boolean, {json_kind(body['is_syncing'])} found instead")]
        )
    if not isinstance(given, list):
        raise schema_problem([("tags", f"Schema describes array, {json_kind(given)} found instead")])
    wanted: dict[str, list[str]] = {"active": [], "inactive": []}
    for number, each in enumerate(given):
        if not isinstance(each, dict) or each.get("status") not in wanted or not isinstance(each.get("name"), str):
            raise schema_problem([(f"tags.item:{number}", "Schema describes a name, and a status active or inactive")])
        wanted[each["status"]].append(each["name"])
    changed = audience.with_tags(member, wanted["active"], wanted["inactive"])
    if changed != member.tags:
        if len(changed) > len(member.tags):
            quiet = "is_syncing" if body.get("is_syncing") else ""
            account.automations.fire("tag_added", member.email.lower(), ", ".join(wanted["active"]), quiet=quiet)
        member.tags = changed
        audience.touch(member)  # that a tag moves last_changed is UNVERIFIED
        account.log(audience, member, frozenset({"tags"}))


def known_member(account: Account, call: Call, *, hash_only: bool = False) -> tuple[Audience, Member]:
    """Whom a path below /lists/{list_id}/members/ names; 404 where there is nobody with an address."""
    audience = account.audience(call.path["list_id"])
    member = audience.by_key(call.path["subscriber_hash"], hash_only=hash_only)
    if member is None or member.status in WITHOUT_ADDRESS:
        raise not_found()
    return audience, member


def _need(body: Mapping[str, Any], *names: str) -> None:
    missing = [name for name in names if body.get(name) in (None, "")]
    if missing:
        raise schema_problem([(name, "This value should not be blank.") for name in missing])


def _without_tags(body: dict[str, Any]) -> dict[str, Any]:
    body.pop("tags", None)
    return body
