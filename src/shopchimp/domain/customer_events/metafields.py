"""The eleven metafields of a customer: what they make of our messages, for segments and the customer's page (S59, S79).

They are absolute values worked out of all facts, so that writing them again changes nothing. What never happened has no
metafield: a segment for "opened in the last 30 days" is `metafields.shopchimp.email_last_opened_at >= -30d`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shopchimp.domain.commerce.spelling import text
from shopchimp.domain.customer_events.activity import ActivityFact
from shopchimp.domain.customer_events.names import ContactAction

NAMESPACE = "shopchimp"
CALL_LIMIT = 25
"""How many metafields one `metafieldsSet` takes."""

LAST_CAMPAIGN = "last_campaign"


def count_key(action: ContactAction) -> str:
    """The metafield that says how often."""
    return f"{action.value}_count"


def time_key(action: ContactAction) -> str:
    """The metafield that says when last."""
    channel, _, done = action.value.partition("_")
    return f"{channel}_last_{done}_at"


DEFINITIONS: dict[str, str] = {
    **{count_key(action): "number_integer" for action in ContactAction},
    **{time_key(action): "date_time" for action in ContactAction},
    LAST_CAMPAIGN: "single_line_text_field",
}
"""The metafields and their types: only these types become filters of customer segments."""


def label(key: str) -> str:
    """What the merchant reads beside it on a customer's page."""
    words = key.removesuffix("_at").replace("sms", "SMS").replace("email", "E-mail").split("_")
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])


@dataclass(frozen=True, slots=True)
class Totals:
    """All that is known of one customer's activity."""

    counts: Mapping[ContactAction, int] = field(default_factory=dict)
    newest: Mapping[ContactAction, datetime] = field(default_factory=dict)
    last_campaign: str | None = None


def totals(facts: Iterable[ActivityFact]) -> Totals:
    """What the facts come to; one that was read several times counts once."""
    known = {fact.key: fact for fact in sorted(facts, key=_order, reverse=True)}.values()
    newest: dict[ContactAction, datetime] = {}
    for fact in known:
        newest[fact.action] = max(fact.at, newest.get(fact.action, fact.at))
    got = [fact for fact in known if fact.action in (ContactAction.EMAIL_RECEIVED, ContactAction.SMS_RECEIVED)]
    titled = [fact for fact in got or known if fact.title]
    last = max(titled, key=_order).title if titled else None
    return Totals(Counter(fact.action for fact in known), newest, last)


def metafields(of: Totals) -> dict[str, str]:
    """The values of the metafields, as Shopify spells them."""
    values = {count_key(action): str(count) for action, count in of.counts.items() if count}
    values |= {time_key(action): _moment(at) for action, at in of.newest.items()}
    if campaign := text(of.last_campaign):
        values[LAST_CAMPAIGN] = campaign
    return {key: values[key] for key in DEFINITIONS if key in values}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Only what has to be written."""
    return {key: value for key, value in after.items() if before.get(key) != value}


def inputs(customer_id: int, values: Mapping[str, str]) -> list[dict[str, str]]:
    """A customer's metafields as `metafieldsSet` takes them."""
    return [
        {
            "ownerId": f"gid://shopify/Customer/{customer_id}",
            "namespace": NAMESPACE,
            "key": key,
            "type": DEFINITIONS[key],
            "value": value,
        }
        for key, value in values.items()
    ]


def calls(customers: Mapping[int, Mapping[str, str]]) -> Iterator[dict[int, Mapping[str, str]]]:
    """Customers in groups whose metafields fit in one call. Nobody's are spread over two: a call is all or nothing."""
    group: dict[int, Mapping[str, str]] = {}
    room = CALL_LIMIT
    for customer_id, values in customers.items():
        if len(values) > room:
            yield group
            group, room = {}, CALL_LIMIT
        if values:
            group[customer_id] = values
            room -= len(values)
    if group:
        yield group


def _order(fact: ActivityFact) -> tuple[datetime, str, str]:
    return fact.at, fact.campaign, fact.title or ""


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
