"""The worker dies between any two steps of a look, before or after what the step did; the next one ends it right.

For every kind of write: killed at each point in turn, then run again by somebody who takes over the lease. Both sides
end as without the kill, nothing is written a second time with other content, and no opt-out gets lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from live_ground import Ground, ago, new_email, stamp
from sqlalchemy import text

from shopchimp.db import marking
from shopchimp.jobs import lanes
from shopchimp.services import driving, live
from shopchimp.services.live import work
from stage import Row

_phones = count(1)


class Killed(BaseException):
    """Nothing of ours catches it, as nothing runs after SIGKILL."""


@dataclass
class Reaper:
    """Ends the worker at the n-th step, before or after it is done. Counts them."""

    at: int | None = None
    after: bool = False
    steps: list[str] = field(default_factory=list)

    def around(self, drive: Callable[..., None]) -> Callable[..., None]:
        def driven(walks: Sequence[Any], options: Any, doings: Mapping[type[Any], Any]) -> None:
            drive(walks, options, {kind: self._counted(kind, do) for kind, do in doings.items()})

        return driven

    def _counted(self, kind: type[Any], do: Any) -> Any:
        def counted(group: Sequence[Any]) -> Any:
            here = len(self.steps) == self.at
            self.steps.append(kind.__name__)
            if here and not self.after:
                raise Killed
            answers = do(group)
            if here:
                raise Killed
            return answers

        return counted


def taken_over(shop: Ground) -> None:
    """The leases of the dead run out, and whatever the dead might have sent has arrived."""
    for _ in range(12):
        with shop.stage.database.transaction() as tx:
            tx.execute(text("update changes set due_at = now(), settles_at = least(settles_at, now())"))
            tx.execute(text("update slots set until = '-infinity', closed_until = '-infinity'"))
            tx.execute(text("update lanes set open_until = null"))
            left = tx.execute(
                text("select count(*) from changes where kind = 'person' and state = 'waiting'")
            ).scalar_one()
        if not left:
            return
        lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works={marking.LIVE: work})
    raise AssertionError(shop.stage.rows("select * from changes"))


Begin = Callable[[Ground], str]
See = Callable[[Ground, str], Any]


def _new_subscriber(shop: Ground) -> str:
    email = new_email("kill")
    shop.chosen(email, "SUBSCRIBED", ago(hours=2), firstName="Ana", tags=["vip"])
    return email


def _opts_in(shop: Ground) -> str:
    email = shop.pair("NOT_SUBSCRIBED", firstName="Ana", tags=["one"])
    shop.chosen(email, "SUBSCRIBED", firstName="Anna", tags=["two"])
    return email


def _opts_out_here(shop: Ground) -> str:
    email = shop.pair("SUBSCRIBED")
    shop.chosen(email, "UNSUBSCRIBED")
    return email


def _opts_out_there(shop: Ground) -> str:
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, "unsubscribed", by="person")
    return email


def _opts_in_there(shop: Ground) -> str:
    email = shop.pair("NOT_SUBSCRIBED")
    shop.contact(email, "subscribed")
    return email


def _refused(shop: Ground) -> str:
    email = shop.pair("UNSUBSCRIBED")
    shop.contact(email, set={"compliance": True})
    shop.look(email, source="mailchimp")
    shop.chosen(email, "SUBSCRIBED")
    return email


def _new_contact(shop: Ground) -> str:
    shop.set(create_customers=True)
    email = new_email("kill")
    shop.contact(email, "subscribed", set={"merge_fields": {"FNAME": "Cy"}})
    return email


def _names(shop: Ground) -> str:
    email = shop.pair("SUBSCRIBED", firstName="Ana", lastName="Reyes", tags=["one"])
    shop.customer(email, lastName="Lopez", tags=["two"])
    shop.contact(email, set={"merge_fields": {"FNAME": "Anita"}})
    return email


def _texts(shop: Ground) -> str:
    shop.set(sms={"active": True, "start_date": ago(days=30).date().isoformat(), "two_way": False})
    email = new_email("kill")
    phone = f"+1303555{next(_phones):04d}"
    shop.customer(email, phone=phone, smsMarketingState="SUBSCRIBED", smsMarketingOptInLevel="SINGLE_OPT_IN")
    return email


def _moves(shop: Ground) -> str:
    old, new = shop.pair("SUBSCRIBED"), new_email("kill")
    shop.stage.sandbox.edit("shopify", old, set={"email": new})
    shop.stage.mark(old)
    return new


def _sides(shop: Ground, email: str) -> Any:
    return shop.sides(email)


def _asked(shop: Ground, email: str) -> Any:
    return (*shop.sides(email), shop.contact_row(email)["confirmation_mails"])


def _named(shop: Ground, email: str) -> Any:
    contact, customer = shop.contact_row(email), shop.customer_row(email)
    names = (customer["firstName"], customer["lastName"], contact["merge_fields"]["FNAME"])
    return (*names, contact["merge_fields"].get("LNAME"), tuple(contact["tags"]))


def _tagged(shop: Ground, email: str) -> Any:
    contact = shop.contact_row(email)
    return (*shop.sides(email), contact["merge_fields"]["FNAME"], tuple(contact["tags"]))


def _texted(shop: Ground, email: str) -> Any:
    return (*shop.sides(email), shop.contact_row(email)["sms"]["status"])


OUT = ("UNSUBSCRIBED", "unsubscribed")
IN = ("SUBSCRIBED", "subscribed")
KINDS: dict[str, tuple[Begin, See, Any, str]] = {
    "a new subscriber": (_new_subscriber, _tagged, (*IN, "Ana", ("Shopify", "vip")), "WriteContact"),
    "an opt-in": (_opts_in, _tagged, (*IN, "Anna", ("Shopify", "two")), "WriteContact"),
    "an opt-out in Shopify": (_opts_out_here, _sides, OUT, "WriteContact"),
    "an opt-out in Mailchimp": (_opts_out_there, _sides, OUT, "WriteConsent"),
    "an opt-in in Mailchimp": (_opts_in_there, _sides, IN, "WriteConsent"),
    "a refused opt-in": (_refused, _asked, ("SUBSCRIBED", "pending", 1), "WriteContact"),
    "a new customer": (_new_contact, _sides, IN, "CreateCustomer"),
    "names and tags": (_names, _named, ("Anita", "Lopez", "Anita", "Lopez", ("Shopify", "two")), "UpdateCustomer"),
    "text messages": (_texts, _texted, ("NOT_SUBSCRIBED", "transactional", "subscribed"), "WriteSms"),
    "another address": (_moves, lambda shop, email: shop.status(email), "subscribed", "MoveContact"),
}


def contents(written: list[Row]) -> dict[tuple[str, str], int]:
    """How many different contents each kind of write had, by platform."""
    found: dict[tuple[str, str], set[str]] = {}
    for line in written:
        found.setdefault((line["platform"], line["kind"]), set()).add(line["digest"])
    return {kind: len(digests) for kind, digests in found.items()}


@pytest.mark.parametrize("name", KINDS)
def test_killed_between_any_two_steps(shop: Ground, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Issue 3, R4: every kill point of this kind of write."""
    begin, see, wanted, step = KINDS[name]
    drive = driving.drive

    def once(reaper: Reaper) -> dict[tuple[str, str], int]:
        shop.clear()
        email = begin(shop)
        with shop.writes() as written:
            shop.stage.mark(email)
            monkeypatch.setattr(live, "drive", reaper.around(drive))
            if reaper.at is not None:
                with pytest.raises(Killed):
                    lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works={marking.LIVE: work})
                monkeypatch.setattr(live, "drive", drive)
            taken_over(shop)
        monkeypatch.setattr(live, "drive", drive)
        where = (name, reaper.at, reaper.after, reaper.steps)
        assert see(shop, email) == wanted, where
        assert shop.change(email) is None, where
        assert shop.quiet(email), where
        assert shop.person(email)["intent"] is None, where
        return contents(written)

    undisturbed = Reaper()
    usual = once(undisturbed)
    assert step in undisturbed.steps
    for at in range(len(undisturbed.steps)):
        for after in (False, True):
            made = once(Reaper(at, after))
            more = {kind: n for kind, n in made.items() if n > usual.get(kind, 0)}
            assert not more, (name, undisturbed.steps[at], after, more)


def test_the_opt_out_that_comes_while_nobody_works(shop: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """L1: killed after subscribing a contact; the person opts out in Mailchimp before anybody looks again."""
    email = _opts_in(shop)
    shop.stage.mark(email)
    killed_after(shop, monkeypatch, "WriteContact")
    assert shop.sides(email) == IN
    shop.contact(email, "unsubscribed", by="person")
    shop.stage.mark(email, source="mailchimp")
    taken_over(shop)
    assert shop.sides(email) == OUT
    assert shop.quiet(email)


@pytest.mark.parametrize("left_again", [False, True])
def test_an_opt_in_right_after_the_kill(shop: Ground, monkeypatch: pytest.MonkeyPatch, left_again: bool) -> None:
    """F12, L3: an opt-out nobody told was carried over, and tags written, which moves the only date that it has.

    The opt-in in Shopify after it stands, though it ties with our own write; but not if they left Mailchimp again since.
    """
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, "unsubscribed", by="admin")
    time.sleep(3)  # the sandbox dates changes of contacts by its clock alone
    shop.customer(email, tags_add=["gold"])
    shop.stage.mark(email, source="mailchimp")
    killed_after(shop, monkeypatch, "WriteContact")
    assert shop.sides(email) == OUT
    assert "gold" in shop.contact_row(email)["tags"]
    shop.chosen(email, "SUBSCRIBED")
    if left_again:
        shop.contact(email, "subscribed", at=stamp(ago(seconds=1)))
        shop.contact(email, "unsubscribed", by="admin")
    shop.stage.mark(email)
    taken_over(shop)
    assert shop.sides(email) == (OUT if left_again else IN)
    assert shop.quiet(email)


def killed_after(shop: Ground, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """One drain that dies right after the first step of this kind was done."""
    drive = driving.drive

    def dying(walks: Sequence[Any], options: Any, doings: Mapping[type[Any], Any]) -> None:
        def last(kind: type[Any], do: Any) -> Any:
            def done(group: Sequence[Any]) -> Any:
                answers = do(group)
                if kind.__name__ == step:
                    raise Killed
                return answers

            return done

        drive(walks, options, {kind: last(kind, do) for kind, do in doings.items()})

    with monkeypatch.context() as patched:
        patched.setattr(live, "drive", dying)
        with pytest.raises(Killed):
            lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works={marking.LIVE: work})


def test_a_tag_put_on_before_the_kill_is_ours(shop: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """S102: the intent tells whose tag it is: taken off the customer before the next look, it goes from the contact."""
    email = shop.pair("SUBSCRIBED", tags=["one"])
    shop.customer(email, tags=["one", "two"])
    shop.stage.mark(email)
    killed_after(shop, monkeypatch, "WriteContact")
    assert shop.contact_row(email)["tags"] == ["Shopify", "one", "two"]
    shop.customer(email, tags=["one"])
    shop.stage.mark(email)
    taken_over(shop)
    assert shop.contact_row(email)["tags"] == ["Shopify", "one"]


def test_a_name_brought_before_the_kill_is_no_edit_of_the_merchants(
    shop: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S75: the intent tells our own write from an edit in Shopify, so the next edit in Mailchimp isn't overwritten."""
    email = shop.pair("SUBSCRIBED", firstName="Ana")
    shop.contact(email, set={"merge_fields": {"FNAME": "Anita"}})
    shop.stage.mark(email, source="mailchimp")
    killed_after(shop, monkeypatch, "UpdateCustomer")
    assert shop.customer_row(email)["firstName"] == "Anita"
    shop.contact(email, set={"merge_fields": {"FNAME": "Nita"}})
    shop.stage.mark(email, source="mailchimp")
    taken_over(shop)
    assert shop.customer_row(email)["firstName"] == "Nita"
    assert shop.contact_row(email)["merge_fields"]["FNAME"] == "Nita"


def test_what_was_written_before_an_error_is_in_the_log(shop: Ground) -> None:
    """Invariant 1: Shopify took the opt-out, Mailchimp failed with the tags. The ledger has the consent write, once."""
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, "unsubscribed", by="person")
    shop.customer(email, tags_add=["gold"])
    shop.stage.sandbox.faults(
        {
            "platform": "mailchimp",
            "route": "POST /lists/{list_id}/members/{subscriber_hash}/tags",
            "kind": "503",
            "times": 1,
        }
    )
    shop.look(email, source="mailchimp")
    assert shop.stage.sandbox.fired() == 1
    shop.stage.sandbox.faults()
    consent = [line for line in shop.lines(email) if (line["kind"], line["direction"]) == ("consent", "to_shopify")]
    assert [(line["result"], line["rule"]) for line in consent] == [("synced", "webhook.S24")]
    assert "gold" in shop.contact_row(email)["tags"]
    assert shop.change(email) is None
