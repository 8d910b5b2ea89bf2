"""Campaigns that were sent, by e-mail or SMS: to whom, and what people and machines did with them.

Fifty thousand recipients are read in pages of a thousand while figures are asked for every few minutes. So sums are
kept as things happen, once with and once without machines, and nothing is computed over all recipients for a page.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any, Final, NamedTuple

from shopchimp.sandbox.mailchimp.audience import Audience, Member

TYPES: Final = ("regular", "plaintext", "absplit", "rss", "variate")
STATUSES: Final = ("save", "paused", "schedule", "sending", "sent")
PERSON: Final = "person"
BOT: Final = "bot"  # a scanner of links: opens and clicks, `filter_bots` drops it
PROXY: Final = "proxy"  # Apple's Mail Privacy Protection: opens only, dropped likewise (mailchimp.md section 9)
MACHINES: Final = frozenset({BOT, PROXY})
MOST_KEPT: Final = 1000  # opens, and clicks, of one contact and campaign
_PLACES: Final = {PERSON: "203.0.113.10", BOT: "198.51.100.7", PROXY: "192.0.2.44"}


class Act(NamedTuple):
    """One open, click or bounce."""

    at: int
    action: str
    by: str = PERSON
    url: str = ""
    kind: str = ""  # of a bounce: hard or soft

    @property
    def ip(self) -> str:
        return _PLACES[self.by]


@dataclass(slots=True)
class Figures:
    """Sums over all recipients; people are counted by their place among them."""

    opens: int = 0
    openers: set[int] = field(default_factory=set)
    proxy_opens: int = 0
    last_open: int = 0
    clicks: int = 0
    clickers: set[int] = field(default_factory=set)
    last_click: int = 0
    by_url: dict[str, Counter[int]] = field(default_factory=dict)
    url_last: dict[str, int] = field(default_factory=dict)

    def add(self, place: int, act: Act) -> None:
        if act.action == "open":
            self.opens += 1
            self.proxy_opens += act.by == PROXY
            self.openers.add(place)
            self.last_open = max(self.last_open, act.at)
        elif act.action == "click":
            self.clicks += 1
            self.clickers.add(place)
            self.last_click = max(self.last_click, act.at)
            self.by_url.setdefault(act.url, Counter())[place] += 1
            self.url_last[act.url] = max(self.url_last.get(act.url, 0), act.at)

    @property
    def unique_clicks(self) -> int:
        """A contact counts once for each link."""
        return sum(map(len, self.by_url.values()))


class Leaving(NamedTuple):
    """Somebody used the campaign's unsubscribe link, or reported it."""

    place: int
    at: int
    reason: str


@dataclass(slots=True, eq=False)
class Campaign:
    """An e-mail. Recipients are those of the moment it was sent, in the order of the audience."""

    id: str
    web_id: int
    audience: Audience
    title: str
    subject: str
    created_at: int
    type: str = "regular"
    status: str = "save"
    sent_at: int = 0
    utm: str = ""
    parent: str = ""  # of which it is a part: a variant of a test, one sending of a feed
    links: tuple[str, ...] = ()
    recipients: list[Member] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)  # member's number -> place among the recipients
    acts: dict[int, list[Act]] = field(default_factory=dict)  # by place
    newest: dict[int, int] = field(default_factory=dict)  # by place: the time of the last act
    bounced: dict[int, str] = field(default_factory=dict)  # by place: hard or soft
    left: dict[int, Leaving] = field(default_factory=dict)
    everything: Figures = field(default_factory=Figures)
    people: Figures = field(default_factory=Figures)  # without machines
    _since: tuple[tuple[int, int], list[int]] | None = None
    _changes: int = 0

    def send_to(self, members: Iterable[Member]) -> None:
        """Also later: a campaign that goes out by time zone gets recipients when it already counts as sent."""
        for member in members:
            if member.number not in self.places:
                self.places[member.number] = len(self.recipients)
                self.recipients.append(member)
        self._changes += 1

    def act(self, place: int, act: Act) -> None:
        """Something that a recipient, or a machine before them, did."""
        self.everything.add(place, act)
        if act.by not in MACHINES:
            self.people.add(place, act)
        if act.action == "bounce":
            self.bounced[place] = act.kind
        acts = self.acts.setdefault(place, [])
        if sum(each.action == act.action for each in acts) < MOST_KEPT:
            insort(acts, act, key=lambda each: each.at)
        self.newest[place] = max(self.newest.get(place, 0), act.at)
        self._changes += 1

    def acts_of(self, place: int, *, since: int | None = None, filter_bots: bool = False) -> list[Act]:
        found = self.acts.get(place, ())
        return [
            each for each in found if (since is None or each.at > since) and not (filter_bots and each.by in MACHINES)
        ]

    def busy_since(self, since: int) -> list[int]:
        """Places of those with an act after then, machines' too. Found once, as long as nothing happens."""
        version = (since, self._changes)
        if self._since is None or self._since[0] != version:
            self._since = (version, sorted(place for place, at in self.newest.items() if at > since))
        return self._since[1]

    def figures(self, *, filter_bots: bool) -> Figures:
        return self.people if filter_bots else self.everything

    def knows(self, member: Member) -> bool:
        """Not if the contact was deleted for good since."""
        return self.audience.by_number(member.number) is member

    def address(self, member: Member) -> str:
        """What is shown of a contact that was deleted for good is UNVERIFIED: the form that the plugin ignores (W)."""
        if self.knows(member):
            return member.email
        return f"{member.digest.hex()}@forgotten.mailchimp.com"


@dataclass(slots=True, eq=False)
class SmsCampaign:
    """A text message to many. Nothing in the API tells who got it but each contact's activity feed."""

    id: str
    web_id: int
    audience: Audience
    name: str
    created_at: int
    sent_at: int
    recipients: set[int] = field(default_factory=set)  # members' numbers


def link_id(url: str) -> str:
    return md5(url.encode(), usedforsecurity=False).hexdigest()[:10]


def fresh_id(seed: int, kind: str, number: int, length: int) -> str:
    return md5(f"{seed} {kind} {number}".encode(), usedforsecurity=False).hexdigest()[:length]


def announced(campaign: Campaign) -> Mapping[str, Any]:
    """`data` of the webhook (examples/webhook-campaign-sent.txt)."""
    return {
        "id": campaign.id,
        "subject": campaign.subject,
        "status": campaign.status,
        "reason": "",
        "list_id": campaign.audience.id,
    }
