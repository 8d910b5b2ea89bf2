"""`/lists/{list_id}/webhooks` (mailchimp.md section 7). A new URL must answer a GET before it is taken."""

import hashlib
import ipaddress
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from shopchimp.sandbox.keepalive import send, target_of
from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import Audience
from shopchimp.sandbox.mailchimp.hooks import EVENTS, SOURCES, Hook
from shopchimp.sandbox.mailchimp.wire import Call, Problem, not_found, schema_problem

VALIDATOR: Final = "MailChimp.com WebHook Validator"
ANSWER_SECONDS: Final = 10.0


class UrlToAskError(Exception):
    """This call can be answered once it is known whether the URL answers; nothing has been changed yet."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


async def answers(url: str) -> bool:
    """Whether a GET of the URL is answered 200. The sandbox asks nobody but this machine."""
    host = urlsplit(url).hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    if not local:
        return False
    target = target_of(url)
    asking = f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: {VALIDATOR}\r\n\r\n"
    status, connection = await send(target, asking.encode(), None, seconds=ANSWER_SECONDS)
    if connection is not None:
        connection.close()
    return status == 200


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    audience = account.audience(call.path["list_id"])
    shown = [each.document() for each in audience.webhooks.values()]
    return {"webhooks": shown, "list_id": audience.id, "total_items": len(shown), "_links": []}


def one(account: Account, call: Call) -> Mapping[str, Any]:
    return _known(account, call)[1].document()


def post(account: Account, call: Call) -> Mapping[str, Any]:
    """Signed, unless the account's switch says otherwise; the secret is in this answer only."""
    audience, body = account.audience(call.path["list_id"]), call.json()
    url = _url(audience, body.get("url"))
    # What omitted sources and events mean is undocumented: here they are off.
    events = dict.fromkeys(EVENTS, False) | _switches(body, "events", EVENTS)
    sources = dict.fromkeys(SOURCES, False) | _switches(body, "sources", SOURCES)
    _reach(call, url)
    secret = hashlib.sha256(f"{audience.id} {url} {account.new_token()}".encode()).hexdigest()
    hook = Hook(secret[32:42], url, events, sources, audience.id, secret[:32] if account.switches.sign_hooks else None)
    audience.webhooks[hook.id] = hook
    return hook.document() | ({"signing_secret": hook.secret} if hook.secret else {})


def patch(account: Account, call: Call) -> Mapping[str, Any]:
    audience, hook = _known(account, call)
    body = call.json()
    events, sources = _switches(body, "events", EVENTS), _switches(body, "sources", SOURCES)
    if body.get("url", hook.url) != hook.url:
        url = _url(audience, body["url"])
        _reach(call, url)
        hook.url = url
    hook.events |= events
    hook.sources |= sources
    return hook.document()


def delete(account: Account, call: Call) -> None:
    audience, hook = _known(account, call)
    del audience.webhooks[hook.id]


def _url(audience: Audience, url: object) -> str:
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise schema_problem([("url", "This value should be a URL.")])
    if any(each.url == url for each in audience.webhooks.values()):
        said = "Sorry, you can't set up multiple WebHooks for one URL"  # exact text UNVERIFIED
        raise Problem(400, "Invalid Resource", said, errors=[("url", said)])
    return url


def _reach(call: Call, url: str) -> None:
    if call.reached is None:
        return
    if url not in call.reached:
        raise UrlToAskError(url)
    if not call.reached[url]:
        said = "We couldn't reach that URL: it must answer a GET request with 200."  # exact text UNVERIFIED
        raise Problem(400, "Invalid Resource", said, errors=[("url", said)])


def _known(account: Account, call: Call) -> tuple[Audience, Hook]:
    audience = account.audience(call.path["list_id"])
    found = audience.webhooks.get(call.path["webhook_id"])
    if found is None:
        raise not_found()
    return audience, found


def _switches(body: Mapping[str, Any], name: str, known: tuple[str, ...]) -> dict[str, bool]:
    given = body.get(name, {})
    if not isinstance(given, dict) or not all(isinstance(each, bool) for each in given.values()):
        raise schema_problem([(name, "Schema describes boolean, something else found instead")])
    return {each: given[each] for each in known if each in given}
