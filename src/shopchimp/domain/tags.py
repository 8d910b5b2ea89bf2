"""Which tags a contact gets and loses: those of its customer, and one that says where it came from (S80, S102).

Three rules keep us off the merchant's own tags:

* Only a tag that we put on the contact is ever taken off, and only when the customer no longer has it. A change of the
  settings takes nothing off: what was sent stays.
* A tag that was there before us is not ours, even if the customer has it too.
* A tag of ours that somebody took off in Mailchimp isn't put on again while the customer keeps it.

Both platforms compare tags without regard to case. The app's own tag goes on contacts that we make, and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

LONGEST = 100
"""Characters in a tag's name. Mailchimp's API documents no limit; this is the one its own pages keep to (UNVERIFIED).
A longer one is left out rather than cut: two cut alike would be one tag."""

SHOWN = 50  # tags that a member object names; more have to be asked for (mailchimp.md section 3)


class TagChoice(StrEnum):
    """Which of a customer's tags the contact gets."""

    ALL = "all"
    NONE = "none"
    CHOSEN = "chosen"


@dataclass(frozen=True, slots=True)
class TagRules:
    """The merchant's choice. `app_tag` is put on contacts that we make, empty means none."""

    app_tag: str = ""
    choice: TagChoice = TagChoice.ALL
    chosen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TagChanges:
    """What to put on and take off, and what we then carry: store `carried` when the write is done.

    `left_out` are tags of the customer that Mailchimp can't take.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.add or self.remove)


def clean(tags: Iterable[str]) -> tuple[str, ...]:
    """Names on one line, none blank and none twice, in their order. A comma separates names in both platforms."""
    found: dict[str, str] = {}
    for text in tags:
        for part in text.split(","):
            name = " ".join("".join(sign for sign in part if sign.isprintable() or sign.isspace()).split())
            if name:
                found.setdefault(name.casefold(), name)
    return tuple(found.values())


def wanted(customer_tags: Iterable[str], rules: TagRules) -> tuple[str, ...]:
    """The customer's tags that the contact should have."""
    if rules.choice is TagChoice.NONE:
        return ()
    fitting = [name for name in clean(customer_tags) if len(name) <= LONGEST]
    if rules.choice is TagChoice.CHOSEN:
        chosen = {name.casefold() for name in rules.chosen}
        fitting = [name for name in fitting if name.casefold() in chosen]
    return tuple(fitting)


def differ(customer_tags: Iterable[str], carried: Iterable[str] | None, rules: TagRules) -> bool:
    """Whether the customer's tags are others than those that we carried."""
    due = wanted(customer_tags, rules)
    return {name.casefold() for name in due} != {name.casefold() for name in carried or ()}


def for_new_contact(customer_tags: Iterable[str], rules: TagRules) -> tuple[str, ...]:
    """All the tags of a contact that we make: the app's own first."""
    return clean((rules.app_tag, *wanted(customer_tags, rules)))


def decide_tags(
    customer_tags: Sequence[str],
    contact_tags: Sequence[str],
    carried: Sequence[str] | None,
    rules: TagRules,
    *,
    intended: Sequence[str] = (),
    creating: bool = False,
) -> TagChanges:
    """What to write so that the contact follows its customer.

    `carried` are the tags that we put on this contact, `intended` those we were about to put on when we last heard of
    ourselves: they count as ours. `creating` says that the contact is new: it has none, and gets the app's tag.
    """
    now = clean(customer_tags)
    left_out = tuple(name for name in now if len(name) > LONGEST and rules.choice is TagChoice.ALL)
    due = wanted(now, rules)
    if creating:
        return TagChanges(for_new_contact(now, rules), (), due, left_out)
    there = {name.casefold() for name in contact_tags}
    ours = {name.casefold(): name for name in (*intended, *(carried or ()))}
    lost = ours.keys() - {name.casefold() for name in now} if rules.choice is not TagChoice.NONE else set[str]()
    partly_shown = len(contact_tags) >= SHOWN
    remove = [
        ours[name]
        for name in sorted(lost)
        if (name in there or partly_shown) and name != rules.app_tag.strip().casefold()
    ]
    known = {name.casefold() for name in carried or ()}
    add = [name for name in due if name.casefold() not in there and name.casefold() not in known]
    kept = [name for folded, name in ours.items() if folded not in lost and (folded in known or folded in there)]
    return TagChanges(tuple(add), tuple(remove), clean((*kept, *add)), left_out)
