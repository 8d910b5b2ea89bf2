"""`/lists/{list_id}/webhooks`: kept and shown here (mailchimp.md section 7); their delivery is a later issue's."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import Audience
from shopchimp.sandbox.mailchimp.wire import Call, Problem, not_found, schema_problem

EVENTS: Final = (
    "subscribe",
    "unsubscribe",
    "profile",
    "cleaned",
    "upemail",
    "campaign",
    "sms_subscribe",
    "sms_unsubscribe",
    "upsms",
    "sms_campaign",
)
SOURCES: Final = ("user", "admin", "api")


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    audience = account.audience(call.path["list_id"])
    shown = [_shown(each) for each in audience.webhooks.values()]
    return {"webhooks": shown, "list_id": audience.id, "total_items": len(shown), "_links": []}


def one(account: Account, call: Call) -> Mapping[str, Any]:
    return _shown(_known(account, call)[1])


def post(account: Account, call: Call) -> Mapping[str, Any]:
    """Signed; the secret is in this answer only (examples/list-webhook-create.json)."""
    audience, body = account.audience(call.path["list_id"]), call.json()
    url = body.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise schema_problem([("url", "This value should be a URL.")])
    if any(each["url"] == url for each in audience.webhooks.values()):
        said = "Sorry, you can't set up multiple WebHooks for one URL"
        raise Problem(400, "Invalid Resource", said, errors=[("url", said)])
    secret = hashlib.sha256(f"{audience.id} {url} {account.new_token()}".encode()).hexdigest()[:32]
    webhook = {
        "id": secret[-10:],
        "url": url,
        "events": _switches(body, "events", EVENTS, default=False),
        "sources": _switches(body, "sources", SOURCES, default=False),
        "list_id": audience.id,
        "signing_enabled": True,
        "signing_secret": secret,
        "_links": [],
    }
    audience.webhooks[str(webhook["id"])] = webhook
    return webhook


def patch(account: Account, call: Call) -> Mapping[str, Any]:
    _, webhook = _known(account, call)
    body = call.json()
    if isinstance(body.get("url"), str):
        webhook["url"] = body["url"]
    webhook["events"] |= _switches(body, "events", tuple(body.get("events", ())), default=False)
    webhook["sources"] |= _switches(body, "sources", tuple(body.get("sources", ())), default=False)
    return _shown(webhook)


def delete(account: Account, call: Call) -> None:
    audience, webhook = _known(account, call)
    del audience.webhooks[webhook["id"]]


def _known(account: Account, call: Call) -> tuple[Audience, dict[str, Any]]:
    audience = account.audience(call.path["list_id"])
    found = audience.webhooks.get(call.path["webhook_id"])
    if found is None:
        raise not_found()
    return audience, found


def _switches(body: Mapping[str, Any], name: str, known: tuple[str, ...], *, default: bool) -> dict[str, bool]:
    given = body.get(name, {})
    if not isinstance(given, dict) or not all(isinstance(each, bool) for each in given.values()):
        raise schema_problem([(name, "Schema describes boolean, something else found instead")])
    return {each: given.get(each, default) for each in known}


def _shown(webhook: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in webhook.items() if name != "signing_secret"}
