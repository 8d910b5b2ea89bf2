"""What the first sync learned holds in live sync: a refused opt-in is not asked for again by mail (F6, F7, L4, M4)."""

from __future__ import annotations

from stage import Stage, stage


def held_back(played: Stage, cause: str) -> list[str]:
    return [row["key"] for row in played.rows("select key from people where reason = :cause order by key", cause=cause)]


def test_who_was_refused_in_the_first_sync_gets_no_mail_for_a_look(database_url: str) -> None:
    """Consent.md 2.6: if refused, hold for review, no mail; a look without a new act of theirs changes nothing."""
    with stage(database_url, "--people", "1500", "--seed", "11") as played:
        played.first_sync()
        refused = held_back(played, "mc_compliance_state")
        assert refused, "the seed has none: choose another"
        before = played.sandbox.state("mailchimp")
        played.mark(*refused)
        played.live()
        after = played.sandbox.state("mailchimp")
        assert {key: after[key]["confirmation_mails"] for key in refused} == dict.fromkeys(refused, 0)
        assert {key: after[key]["status"] for key in refused} == {key: before[key]["status"] for key in refused}
        assert held_back(played, "refused") == refused

        played.sandbox.edit("shopify", refused[0], set={"marketingState": "UNSUBSCRIBED"})
        played.mark(refused[0])
        played.live()
        played.sandbox.edit("shopify", refused[0], set={"marketingState": "SUBSCRIBED"})
        played.mark(refused[0])
        played.live()
        now = played.sandbox.state("mailchimp")[refused[0]]
        assert (now["status"], now["confirmation_mails"]) == ("pending", 1)  # a fresh act of that person


def test_tags_from_before_are_carried_without_their_mails(database_url: str) -> None:
    """Invariant 9: a contact that was there gets the customer's old tags at the first look, whatever caused that look.

    A tag that the customer gets afterwards is news, and may start what the merchant made of it.
    """
    with stage(database_url, "--people", "300", "--seed", "11") as played:
        played.first_sync()
        before = played.sandbox.automations()["fired"]
        customers, contacts = played.sandbox.state("shopify"), played.sandbox.state("mailchimp")
        known = {row["key"] for row in played.rows("select key from people where tags is null and reason is null")}
        tagged = [
            key
            for key, row in customers.items()
            if row["tags"]
            and key in known
            and not set(row["tags"]) & set(contacts.get(key, {"tags": row["tags"]})["tags"])
        ]
        assert tagged, "the seed has none: choose another"
        played.mark(*tagged)
        played.live()
        assert set(customers[tagged[0]]["tags"]) <= set(played.sandbox.state("mailchimp")[tagged[0]]["tags"])
        assert played.sandbox.automations()["fired"] == before
        played.sandbox.edit("shopify", tagged[0], set={"tags_add": ["just now"]})
        played.mark(tagged[0])
        played.live()
        fired = played.sandbox.automations()["fired"]
        assert fired == {**before, "tag_added": before.get("tag_added", 0) + 1}
