"""`GET /lists/{list_id}/members`: a page and a total, neither by walking the audience."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import STATUSES, VIP, Audience, Member
from shopchimp.sandbox.mailchimp.clock import asked_time
from shopchimp.sandbox.mailchimp.fields import asked, check, parse
from shopchimp.sandbox.mailchimp.render import WHOLE, Shape
from shopchimp.sandbox.mailchimp.wire import Call, Problem, schema_problem

_TOP: Final = frozenset({"members", "list_id", "total_items", "_links"})
_SORTS: Final = ("timestamp_opt", "timestamp_signup", "last_changed")
_UNINDEXED: Final = frozenset(
    {"since_timestamp_opt", "before_timestamp_opt", "unsubscribed_since", "unique_email_id", "vip_only", "email_type"}
)
_KEYS: Final[Mapping[str, Callable[[Member], int]]] = {
    "timestamp_opt": lambda member: member.opt_at,
    "timestamp_signup": lambda member: member.signup_at,
}


@dataclass(frozen=True, slots=True)
class Page:
    """Which members, in which order.

    Without `status` archived ones are left out (UNVERIFIED, mailchimp.md section 5). `since_*` is read as
    "after": whoever polls with the last time seen and no overlap misses the rest of that second.
    """

    status: str
    since: int | None
    before: int | None
    offset: int
    count: int
    sort: str
    backwards: bool

    @classmethod
    def asked_for(cls, call: Call) -> Self:
        query = call.query
        status, sort = query.get("status", ""), query.get("sort_field", "")
        if status and status not in STATUSES:
            raise schema_problem([("status", f"Value must be one of: {', '.join(STATUSES)}")])
        if sort and sort not in _SORTS:
            raise schema_problem([("sort_field", f"Value must be one of: {', '.join(_SORTS)}")])
        return cls(
            status=status,
            since=asked_time(query.get("since_last_changed"), "since_last_changed"),
            before=asked_time(query.get("before_last_changed"), "before_last_changed"),
            offset=call.number("offset", 0),
            count=call.number("count", 10, 1000),
            sort=sort,
            backwards=query.get("sort_dir", "ASC").upper() == "DESC",
        )


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    audience = account.audience(call.path["list_id"])
    show, top = _shape(call)
    page = Page.asked_for(call)
    narrowed = page.since is not None or page.before is not None
    if _UNINDEXED & call.query.keys() or (page.sort in _KEYS and narrowed):
        found, total = _sift(audience, call, page)
    elif page.sort in _KEYS:
        found, total = _sorted(audience, page)
    else:
        found, total = _cut(audience, page)
    document = {"members": show(audience, found), "list_id": audience.id, "total_items": total, "_links": []}
    return {name: value for name, value in document.items() if name in top}


def _shape(call: Call) -> tuple[Shape, frozenset[str]]:
    wanted, unwanted = asked(call)
    if wanted:
        tree = parse(wanted)
        check(tree, _TOP)
        return Shape(tree["members"]) if tree.get("members") else WHOLE, frozenset(tree)
    tree = parse(unwanted) if unwanted else {}
    hidden = {name for name, branch in tree.items() if not branch}
    return Shape(None, tree["members"]) if tree.get("members") else WHOLE, _TOP - hidden


def _sorted(audience: Audience, page: Page) -> tuple[list[Member], int]:
    found = audience.sorted_by(page.status, page.sort, _KEYS[page.sort])
    if not page.backwards:
        return found[page.offset : page.offset + page.count], len(found)
    stop = max(len(found) - page.offset, 0)
    return found[max(stop - page.count, 0) : stop][::-1], len(found)


def _cut(audience: Audience, page: Page) -> tuple[list[Member], int]:
    if page.sort == "last_changed" or page.since is not None or page.before is not None:
        first, last = audience.changed_between(page.status, page.since, page.before)
        read = audience.changed
    else:
        first, last = 0, audience.count(page.status)
        read = audience.created
    if page.backwards:
        stop = max(last - page.offset, first)
        return read(page.status, max(stop - page.count, first), stop)[::-1], last - first
    start = first + page.offset
    return read(page.status, start, min(start + page.count, last)), last - first


def _sift(audience: Audience, call: Call, page: Page) -> tuple[list[Member], int]:
    """Filters without an index look at each candidate; nobody opts in after their last change, which narrows polls."""
    query = call.query
    opt_since = asked_time(query.get("since_timestamp_opt"), "since_timestamp_opt")
    opt_before = asked_time(query.get("before_timestamp_opt"), "before_timestamp_opt")
    gone_since = asked_time(query.get("unsubscribed_since"), "unsubscribed_since")
    if gone_since is not None and page.status != "unsubscribed":
        raise Problem(400, "Bad Request", "unsubscribed_since may only be used with status=unsubscribed.")
    bounds = [bound for bound in (page.since, opt_since, gone_since) if bound is not None]
    first, last = audience.changed_between(page.status, max(bounds, default=None), page.before)

    def fits(member: Member) -> bool:
        short_id = member.digest[11:].hex()
        return (
            (opt_since is None or member.opt_at > opt_since)
            and (opt_before is None or 0 < member.opt_at < opt_before)
            and (gone_since is None or member.get("unsubscribed_at", member.changed_at) > gone_since)
            and (not call.flag("vip_only") or bool(member.flags & VIP))
            and query.get("unique_email_id", short_id) == short_id
            and query.get("email_type", "html") == member.get("email_type", "html")
        )

    found = [member for member in audience.changed(page.status, first, last) if fits(member)]
    if page.sort in _KEYS:
        found.sort(key=_KEYS[page.sort])
    if page.backwards:
        found.reverse()
    return found[page.offset : page.offset + page.count], len(found)
