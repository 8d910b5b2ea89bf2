"""The Mailchimp of the sandbox as one ASGI application: the API below /3.0, OAuth, and a few pages.

It is the inner part: `shopchimp.sandbox.faults.Traffic` goes around it. Handlers are plain functions of the
account and the call, so nothing waits in here and one process needs no locks.
"""

import base64
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import orjson
from starlette.types import Receive, Scope, Send

from shopchimp.sandbox.faults import read_body
from shopchimp.sandbox.mailchimp import (
    campaign_pages,
    campaign_routes,
    commerce_routes,
    contacts,
    lists,
    member_events,
    member_list,
    members,
    merge_fields,
    page_forms,
    pages,
    webhooks,
)
from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.batch_subscribe import batch_subscribe
from shopchimp.sandbox.mailchimp.batches import RESULTS, not_in_batches
from shopchimp.sandbox.mailchimp.campaigning import campaigned
from shopchimp.sandbox.mailchimp.editing import edit
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.hooks import Courier
from shopchimp.sandbox.mailchimp.oauth import OAuth, Refused, consent_page
from shopchimp.sandbox.mailchimp.seeding import Seeding
from shopchimp.sandbox.mailchimp.wire import DEEPEST_PATH, JSON_TYPE, Call, Problem, Routes, general, triggered
from shopchimp.sandbox.people import Person
from shopchimp.sandbox.recording import WriteLog

Handler = Callable[[Account, Call], Mapping[str, Any] | None]
Headers = list[tuple[bytes, bytes]]
Reply = tuple[int, Headers, bytes]

ROOT: Final = "/3.0"
CONNECTION_LIMIT: Final = 10
_MEMBER: Final = "/lists/{list_id}/members/{subscriber_hash}"
_FIELD: Final = "/lists/{list_id}/merge-fields/{merge_id}"
_HOOK: Final = "/lists/{list_id}/webhooks/{webhook_id}"
_CONTACT: Final = "/audiences/{audience_id}/contacts/{contact_id}"
# A handler that answers None answers 204.
API: Final[Routes[Handler]] = Routes(
    {
        "GET /": lambda account, call: chosen(call, account.document()),
        "GET /ping": lambda *_: {"health_status": "Everything's Chimpy!"},
        "GET /lists": lists.lists,
        "GET /lists/{list_id}": lists.one,
        "POST /lists/{list_id}": batch_subscribe,
        "GET /lists/{list_id}/tag-search": lists.tag_search,
        "GET /lists/{list_id}/members": member_list.listing,
        "POST /lists/{list_id}/members": members.post,
        f"GET {_MEMBER}": members.one,
        f"PUT {_MEMBER}": members.put,
        f"PATCH {_MEMBER}": members.patch,
        f"DELETE {_MEMBER}": members.archive,
        f"POST {_MEMBER}/actions/delete-permanent": members.delete_permanent,
        f"GET {_MEMBER}/tags": members.tags,
        f"POST {_MEMBER}/tags": members.change_tags,
        "GET /lists/{list_id}/merge-fields": merge_fields.listing,
        "POST /lists/{list_id}/merge-fields": merge_fields.post,
        f"GET {_FIELD}": merge_fields.one,
        f"PATCH {_FIELD}": merge_fields.patch,
        f"DELETE {_FIELD}": merge_fields.delete,
        "GET /lists/{list_id}/webhooks": webhooks.listing,
        "POST /lists/{list_id}/webhooks": webhooks.post,
        f"GET {_HOOK}": webhooks.one,
        f"PATCH {_HOOK}": webhooks.patch,
        f"DELETE {_HOOK}": webhooks.delete,
        "GET /lists/{list_id}/sms-program": contacts.sms_programme,
        "GET /audiences": contacts.audiences,
        "GET /audiences/{audience_id}": contacts.audience,
        "GET /audiences/{audience_id}/contacts": contacts.listing,
        "POST /audiences/{audience_id}/contacts": contacts.post,
        f"GET {_CONTACT}": contacts.one,
        f"PATCH {_CONTACT}": contacts.patch,
        f"POST {_CONTACT}/actions/archive": contacts.put_away,
        f"POST {_CONTACT}/actions/forget": contacts.forget,
        **commerce_routes.ROUTES,
        **campaign_routes.ROUTES,
    }
)
_OAUTH: Final = frozenset({"GET /oauth2/authorize", "POST /oauth2/token", "GET /oauth2/metadata"})
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HTML: Final = b"text/html; charset=utf-8"


class MailchimpSandbox:
    """Fill it with `add(person)` for everybody, then `finish()`. An `app_url` fixes the one redirect_uri allowed.

    Webhooks are sent once `courier` is set. `sms_programme` is one of approved, pending, none and 404.
    """

    name = "mailchimp"
    connection_limit: int | None = CONNECTION_LIMIT
    unlimited_routes = _OAUTH | {f"GET {RESULTS}{{file}}"}  # other services than the API
    batch_routes = frozenset({"POST /lists/{list_id}"})

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        app_url: str | None = None,
        seed: int = 1,
        double_optin: bool = False,
        hook_validation: bool = True,
        sms_programme: str = "approved",
        batch_rate: float = 0.0,
        audiences: int = 2,
        own_logins: bool = False,
        writes: WriteLog | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.account = Account(seed=seed, secret=client_secret, writes=writes or WriteLog(), clock=clock)
        self.account.switches.hook_validation = hook_validation
        self.account.switches.own_logins = own_logins
        edit(self.account, {"sms_programme": sms_programme})
        self.account.batches.rate = batch_rate
        self.account.batches.perform = self._perform
        registered = frozenset({f"{app_url.rstrip('/')}/auth/mailchimp/callback"} if app_url else ())
        self.oauth = OAuth(self.account, client_id=client_id, client_secret=client_secret, redirect_uris=registered)
        self._seeding = Seeding(self.account, double_optin=double_optin, audiences=audiences)

    @property
    def courier(self) -> Courier | None:
        """Set later; without one nobody is told of changes."""
        return self.account.courier

    @courier.setter
    def courier(self, courier: Courier | None) -> None:
        self.account.courier = courier

    def add(self, person: Person) -> None:
        self._seeding.add(person)

    def finish(self) -> None:
        self._seeding.finish()

    # What the traffic layer and the control routes ask

    def route(self, method: str, path: str, body: bytes) -> str | None:  # noqa: ARG002 - GraphQL's routes are in the body
        if path.startswith(ROOT):
            methods, _ = API.find(path.removeprefix(ROOT) or "/")
            return f"{method} {methods[method][0]}" if method in methods else f"{method} (no such route)"
        if path.startswith(RESULTS):
            return f"{method} {RESULTS}{{file}}"
        line = f"{method} {path}"
        return line if line in _OAUTH else None

    def refusal(self, status: int) -> tuple[Headers, bytes]:
        problem = general({429: "too_many_requests", 503: "unavailable"}.get(status, "internal"))
        return problem.headers(), problem.document()

    def login_of(self, scope: Scope) -> str:
        """A login may make so many calls at once. All tokens are one login's unless `own_logins` is on."""
        if not self.account.switches.own_logins:
            return ""
        found = (value for name, value in scope["headers"] if name == b"authorization")
        return next(found, b"").decode("latin-1")

    def state(self) -> Iterator[Mapping[str, Any]]:
        """The members, then, marked by their `kind`, what the stores hold."""
        self.account.batches.advance()
        return chain(self.account.state(), commerce_routes.durable_commerce(self.account))

    def automations(self) -> Mapping[str, Any]:
        self.account.batches.advance()
        return self.account.automations.report(self.account.now())

    def writes(self) -> Iterable[Mapping[str, Any]]:
        return self.account.writes

    def events(self) -> Iterable[Mapping[str, Any]]:
        """Member events that the app sent, in their order."""
        return member_events.every(self.account)

    def edit(self, change: Mapping[str, Any]) -> Mapping[str, Any]:
        return campaigned(self.account, change) or edit(self.account, change)

    def revoke(self) -> None:
        self.account.revoke_tokens()

    # The application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await read_body(receive) or b""
        status, headers, content = await self._respond_asking(scope, body)
        if status != 204:
            headers = [*headers, (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _respond_asking(self, scope: Scope, body: bytes) -> Reply:
        """A webhook's URL is asked while others are served; then the call is taken up again from its beginning."""
        reached: dict[str, bool] | None = {} if self.account.switches.hook_validation else None
        while True:
            try:
                return self.respond(scope, body, reached)
            except webhooks.UrlToAskError as wanted:
                reached = {**(reached or {}), wanted.url: await webhooks.answers(wanted.url)}

    def respond(self, scope: Scope, body: bytes, reached: Mapping[str, bool] | None = None) -> Reply:
        """Without `reached`, which says what webhook URLs answered, no URL needs to answer."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        path = scope["path"]
        try:
            if path == ROOT or path.startswith(f"{ROOT}/"):
                return self._api(scope, headers, query, body, reached)
            if path.startswith(RESULTS):
                return self._results(scope["method"], path, query)
            if path.startswith("/oauth2/"):
                return self._oauth(scope, headers, query, body)
            return self._page(scope["method"], path, query, body)
        except Problem as problem:
            return problem.status, problem.headers(), problem.document()

    def _api(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        body: bytes,
        reached: Mapping[str, bool] | None,
    ) -> Reply:
        if "x-trigger-error" in headers:
            raise triggered(headers["x-trigger-error"])
        self._admit(headers)
        method, override = scope["method"], headers.get("x-http-method-override")
        if override:
            if method != "POST" or override.upper() not in ("GET", "PUT", "PATCH", "DELETE"):
                raise general("invalid_method_override")
            method = override.upper()
        # The raw path: an address in it may carry an escaped slash.
        segments = scope.get("raw_path", scope["path"].encode()).decode("latin-1").split("?", 1)[0]
        self.account.batches.advance()
        call = Call(method, "", {}, query, body, _base_url(scope, headers), reached)
        answer = self._carry_out(segments[len(ROOT) :], call)
        return (204, [], b"") if answer is None else (200, [(b"content-type", JSON_TYPE)], orjson.dumps(answer))

    def _carry_out(self, path: str, call: Call) -> Mapping[str, Any] | None:
        """One call by somebody who may make it."""
        path = path.rstrip("/") or "/"
        if path.count("/") > DEEPEST_PATH:
            raise general("nested_too_deep")
        methods, values = API.find(path)
        if not methods:
            raise general("not_found")
        if call.method not in methods:
            raise general("method_not_allowed", allow=", ".join(methods))
        if self.account.switches.role == "viewer" and call.method not in _READS:
            raise general("forbidden")
        call.template, names, handler = methods[call.method]
        call.path = dict(zip(names, map(unquote, values), strict=True))
        return handler(self.account, call)

    def _perform(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, base_url: str
    ) -> tuple[int, bytes]:
        """One operation of a batch; its path is relative to /3.0."""
        plain, _, more = path.removeprefix(ROOT).partition("?")
        try:
            if plain.startswith("/batches"):
                raise not_in_batches()
            given = {**dict(parse_qsl(more, keep_blank_values=True)), **query}
            call = Call(method, "", {}, given, body, base_url)
            answer = self._carry_out(plain if plain.startswith("/") else f"/{plain}", call)
        except Problem as problem:
            return problem.status, problem.document()
        return (204, b"") if answer is None else (200, orjson.dumps(answer))

    def _results(self, method: str, path: str, query: Mapping[str, str]) -> Reply:
        """Plain storage: who has the URL may read, as long as it is good."""
        content = self.account.batches.file(path.removeprefix(RESULTS), query) if method == "GET" else None
        if content is None:
            return 403, [(b"content-type", b"application/xml")], b"<Error><Code>AccessDenied</Code></Error>"
        return 200, [(b"content-type", b"application/gzip")], content

    def _admit(self, headers: Mapping[str, str]) -> None:
        token = _token(headers)
        if not token:
            raise general("api_key_invalid")
        if not self.account.knows_token(token):
            said = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
            raise Problem(401, "API Key Invalid", said)
        if self.account.switches.disabled:
            raise general("user_disabled")
        self.account.caller = token

    def _oauth(self, scope: Scope, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> Reply:
        match f"{scope['method']} {scope['path']}":
            case "GET /oauth2/authorize":
                answer = self.oauth.authorize(query)
                if isinstance(answer, str):
                    return 302, [(b"location", answer.encode())], b""
                if answer is None:
                    return _html(200, "Authorize", consent_page(query))
                return _html(answer.status, "Error", f"<h1>{answer.error}</h1><p>{answer.description}</p>")
            case "POST /oauth2/token":
                given = self.oauth.token(headers.get("content-type", ""), body)
                if isinstance(given, Refused):
                    return _json(given.status, {"error": given.error, "error_description": given.description})
                return _json(200, given)
            case "GET /oauth2/metadata":
                return _json(200, self.oauth.metadata(_token(headers), _base_url(scope, headers)))
        raise general("not_found")

    def _page(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        match method, path.strip("/").split("/"):
            case "GET", [""]:
                content = pages.home(self.account)
            case "GET", ["contacts", list_id]:
                content = pages.contacts(self.account, list_id, query)
            case "GET", ["contacts", list_id, key]:
                content = pages.contact(self.account, list_id, key)
            case "GET", ["campaigns"]:
                content = pages.campaigns(self.account)
            case "GET", ["campaigns", key]:
                content = pages.campaign(self.account, key)
            case "POST", [name, *keys]:
                return 303, [(b"location", self._submit(name, keys, body).encode())], b""
            case _:
                raise general("not_found")
        return 200, [(b"content-type", _HTML)], content

    def _submit(self, name: str, keys: list[str], body: bytes) -> str:
        """What a form of a page asks for; the answer is where to go next."""
        try:
            match name, keys:
                case "contacts", [list_id, *key] if len(key) < 2:
                    return page_forms.submit(self.account, list_id, key[0] if key else None, body)
                case "campaigns", [*key] if len(key) < 2:
                    return campaign_pages.submit(self.account, key[0] if key else None, body)
        except (LookupError, ValueError) as error:
            raise Problem(400, "Bad Request", str(error)) from error
        raise general("not_found")


def _token(headers: Mapping[str, str]) -> str | None:
    """Bearer, OAuth, or Basic with any user and the token as password (mailchimp.md section 2)."""
    kind, _, rest = headers.get("authorization", "").partition(" ")
    match kind.lower():
        case "bearer" | "oauth":
            return rest.strip()
        case "basic":
            try:
                return base64.b64decode(rest).decode("latin-1").partition(":")[2]
            except ValueError:
                return None
    return None


def _base_url(scope: Scope, headers: Mapping[str, str]) -> str:
    return f"{scope.get('scheme', 'http')}://{headers.get('host', '127.0.0.1')}"


def _json(status: int, content: Mapping[str, Any]) -> Reply:
    return status, [(b"content-type", JSON_TYPE)], orjson.dumps(content)


def _html(status: int, title: str, body: str) -> Reply:
    return status, [(b"content-type", _HTML)], pages.page(title, body)
