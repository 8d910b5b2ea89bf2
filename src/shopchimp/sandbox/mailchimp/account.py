"""The Mailchimp account behind the API: its audiences, its tokens, and the log of what the app wrote."""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shopchimp.sandbox.mailchimp.announcing import FORM, ORDINARY, Glimpse, Why, form, notices
from shopchimp.sandbox.mailchimp.audience import Audience, Member
from shopchimp.sandbox.mailchimp.automations import Automations
from shopchimp.sandbox.mailchimp.batches import Batches
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.hooks import Courier, Headers
from shopchimp.sandbox.mailchimp.render import consent, durable, profile, texts
from shopchimp.sandbox.mailchimp.wire import not_found
from shopchimp.sandbox.recording import WriteLog

if TYPE_CHECKING:
    from shopchimp.sandbox.mailchimp.campaigns import Campaign, SmsCampaign
    from shopchimp.sandbox.mailchimp.member_events import MemberEvent
    from shopchimp.sandbox.mailchimp.stores import Store

NAME: Final = "Acme Ltd"
LOGIN_ID: Final = 135791113
CONTACT: Final = {
    "company": NAME,
    "addr1": "1 Test St",
    "addr2": "",
    "city": "Atlanta",
    "state": "GA",
    "zip": "30308",
    "country": "US",
}


@dataclass(slots=True)
class Switches:
    """What /_sandbox/edit may set for the whole account."""

    consent: str = "auto"  # how /oauth2/authorize behaves: auto, ask, deny
    disabled: bool = False  # every call answers 403 User Disabled
    role: str = "owner"  # `viewer` may not write: 403 Forbidden
    sign_hooks: bool = True  # new webhooks have a secret
    hook_validation: bool = True  # a new webhook's URL must answer a GET
    put_drops_lines: bool = False  # whether a PUT of an order drops lines it does not name (UNVERIFIED)
    own_logins: bool = False  # each token is another login's: somebody else who works in this account
    archived_buyers: bool = True  # whether an order of somebody archived is taken (UNVERIFIED)
    idle_rows: bool = False  # email-activity with `since` has rows of recipients without news too (UNVERIFIED)
    sms_programme: str = "approved"  # one of sms.PROGRAMMES; `404`: the undocumented endpoint is not there


class Account:
    def __init__(self, *, seed: int, secret: str, writes: WriteLog, clock: Callable[[], float] = time.time) -> None:
        self.switches = Switches()
        self.audiences: dict[str, Audience] = {}
        self.courier: Courier | None = None  # None: webhooks are kept and not sent
        self.writes = writes
        self.seed, self._secret, self._clock = seed, secret, clock
        self.stores: dict[str, Store] = {}
        self.connected_sites: dict[str, dict[str, Any]] = {}
        self.automations = Automations()
        self.campaigns: dict[str, Campaign] = {}  # as they were made
        self.campaigns_made = 0  # deleted ones too: an id is never given again
        self.sms_campaigns: dict[str, SmsCampaign] = {}
        self.member_events: list[MemberEvent] = []  # of everybody, as they came
        self.batches = Batches(seed, secret, clock)
        self._generation = 0
        self._tokens = 0
        self._good_tokens: set[str] = set()  # those that have proved themselves
        self.caller = ""  # the token of the call that is being answered
        self.id = hashlib.md5(f"account {seed}".encode(), usedforsecurity=False).hexdigest()[:25]

    def now(self) -> int:
        return int(self._clock())

    # Audiences

    def open_audience(self, name: str, *, created_at: int) -> Audience:
        number = len(self.audiences) + 1
        digest = hashlib.md5(f"{self.seed} {name}".encode(), usedforsecurity=False).hexdigest()
        audience = Audience(id=digest[:10], web_id=880_010 + number, name=name, created_at=created_at, now=self.now)
        self.audiences[audience.id] = audience
        return audience

    def audience(self, list_id: str) -> Audience:
        found = self.audiences.get(list_id)
        if found is None:
            raise not_found()
        return found

    def named(self, name: str | None) -> Audience:
        """By id or name; the first one where nothing is said."""
        if name is None:
            return next(iter(self.audiences.values()))
        return next(each for each in self.audiences.values() if name in (each.id, each.name))

    # Tokens prove themselves by a keyed digest, so a restarted sandbox still knows those it gave before.

    def new_token(self) -> str:
        self._tokens += 1
        nonce = hashlib.sha256(f"{self.seed} {self._clock()} {self._tokens}".encode()).hexdigest()[:16]
        return nonce + self._proof(nonce)

    def knows_token(self, token: str) -> bool:
        if token in self._good_tokens:
            return True
        plain = token.split("-", 1)[0]  # an API key may carry its data centre: <32 hex>-us1
        good = len(plain) == 32 and plain.isascii() and hmac.compare_digest(plain[16:], self._proof(plain[:16]))
        if good:
            self._good_tokens.add(token)
        return good

    def login_id(self, token: str) -> int:
        return LOGIN_ID + (int(token[:6], 16) if token and self.switches.own_logins else 0)

    def revoke_tokens(self) -> None:
        self._generation += 1
        self._good_tokens.clear()

    def _proof(self, nonce: str) -> str:
        key = f"{self.seed} {self._generation} {self._secret}".encode()
        return hmac.new(key, nonce.encode(), hashlib.sha256).hexdigest()[:16]

    # What the app wrote, and who hears of it

    def wrote(
        self,
        audience: Audience,
        member: Member,
        kinds: frozenset[str],
        before: Glimpse | None,
        *,
        why: Why = ORDINARY,
        quiet: bool = False,
    ) -> None:
        """A call of the API had this effect. `before` is None where the contact is new."""
        if not kinds:
            return
        if member.status == "pending" and "consent" in kinds and (before is None or before.status != "pending"):
            # Mailchimp mails a confirmation; asked again for the same it does not (release note 2020-08-19).
            member.put("confirmation_mails", member.get("confirmation_mails", 0) + 1)
        self.log(audience, member, kinds)
        if member.status == "subscribed" and (before is None or before.status != "subscribed"):
            self.automations.fire("welcome", member.email.lower(), "subscribed", quiet="historical" if quiet else "")
        if not quiet:
            self.announce(audience, member, before, source="api", why=why)

    def announce(
        self, audience: Audience, member: Member, before: Glimpse | None, *, source: str, why: Why = ORDINARY
    ) -> None:
        """Tell the webhooks of the audience that want to hear of such a change from such a source."""
        if self.courier is not None and audience.webhooks:
            for kind, data in notices(audience, member, before, why):
                self.tell(audience, kind, data, source=source)

    def tell(self, audience: Audience, kind: str, data: dict[str, Any], *, source: str) -> None:
        """One event to those webhooks that want to hear it."""
        if self.courier is None:
            return
        fired_at = self.now()

        def made() -> tuple[Headers, bytes]:
            return FORM, form(kind, fired_at, data)

        for hook in audience.webhooks.values():
            if hook.wants(kind, source):
                self.courier.post(
                    platform="mailchimp",
                    topic=kind,
                    url=hook.url,
                    make=made,
                    sign=hook.signer(self._clock),
                    on_gone=hook.switch_off,
                )

    def log(self, audience: Audience, member: Member, kinds: frozenset[str]) -> None:
        """One line for each kind of content that a call really changed."""
        if not self.writes.enabled:
            return
        key = member.email.lower() or (member.sms.phone if member.sms else "")
        if "contact" in kinds:
            self.writes.add("contact", key, {"audience": audience.name, **profile(audience, member)})
        if "consent" in kinds:
            self.writes.add("consent", key, {"audience": audience.name, **consent(member)})
        if "tags" in kinds:
            tags = sorted(audience.tags_of(member))
            self.writes.add("tags", key, {"audience": audience.name, "tags": tags})
        if "sms" in kinds:
            self.writes.add("sms", key, {"audience": audience.name, "sms": texts(member)})
        if "forgotten" in kinds:
            self.writes.add("forgotten", key, {"audience": audience.name})

    def state(self) -> Iterator[dict[str, Any]]:
        for audience in sorted(self.audiences.values(), key=lambda each: each.name):
            for member in sorted(audience, key=lambda each: (each.email.lower(), each.number)):
                if audience.by_number(member.number) is member:  # not forgotten while we are being read
                    yield {"audience": audience.name, **durable(audience, member)}

    def document(self) -> dict[str, Any]:
        """examples/root-get.json."""
        born = written(min((each.created_at for each in self.audiences.values()), default=self.now()))
        return {
            "account_id": self.id,
            "login_id": str(self.login_id(self.caller)),
            "account_name": NAME,
            "email": "ana@example.com",
            "first_name": "Ana",
            "last_name": "Reyes",
            "username": "anareyes",
            "avatar_url": "",
            "role": self.switches.role,
            "member_since": born,
            "pricing_plan_type": "monthly",
            "first_payment": born,
            "account_timezone": "America/New_York",
            "account_industry": "Retail",
            "contact": CONTACT,
            "pro_enabled": False,
            "last_login": written(self.now()),
            "total_subscribers": sum(each.count("subscribed") for each in self.audiences.values()),
            "industry_stats": {"open_rate": 0.35, "bounce_rate": 0.004, "click_rate": 0.01},
            "_links": [],
        }
