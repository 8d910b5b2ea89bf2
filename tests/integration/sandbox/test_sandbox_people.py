"""The invented people and the loaders."""

import gzip
from collections import Counter
from decimal import Decimal
from itertools import islice

from shopify_port import SHARED, shared

from shopchimp.sandbox.loaders import from_cdnow, from_shopify_csv
from shopchimp.sandbox.people import generate

STATES = {"SUBSCRIBED", "NOT_SUBSCRIBED", "UNSUBSCRIBED", "PENDING", "INVALID"}
STATUSES = {"subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived", None}
NEEDS_A_WRITE = {
    ("SUBSCRIBED", "unsubscribed"),
    ("SUBSCRIBED", "cleaned"),
    ("NOT_SUBSCRIBED", "subscribed"),
    ("NOT_SUBSCRIBED", "unsubscribed"),
    ("UNSUBSCRIBED", "subscribed"),
    ("PENDING", "subscribed"),
}


def test_the_same_seed_invents_the_same_people():
    assert list(generate(300, 7)) == list(generate(300, 7))
    assert next(generate(1, 7)) != next(generate(1, 8))
    assert list(islice(generate(300, 7), 50)) == list(islice(generate(50, 7), 50))


def test_the_mix_covers_every_cell_of_the_first_sync():
    people = list(generate(10_000, 1))
    customers = [person for person in people if person.customer]
    cells = Counter((person.marketing_state, person.contact_status) for person in customers)
    assert {(state, status) for state in STATES for status in STATUSES} == set(cells)
    assert {person.contact_status for person in people if not person.customer} == STATUSES - {None}
    assert len(customers) == 10_000
    assert len(people) == 10_500
    contacts = sum(person.contact_status is not None for person in customers)
    assert 0.52 < contacts / len(customers) < 0.58
    assert 0.045 < sum(cells[cell] for cell in NEEDS_A_WRITE) / len(people) < 0.07


def test_opposite_choices_have_provable_winners_on_both_sides():
    pairs = [p for p in generate(6000, 1) if p.customer]
    opted_out = [p for p in pairs if p.marketing_state == "UNSUBSCRIBED" and p.contact_status == "subscribed"]
    newer = [p for p in opted_out if p.marketing_updated_at > (p.contact_opt_at or p.contact_signup_at)]
    assert 0.3 < len(newer) / len(opted_out) < 0.7
    opted_in = [p for p in pairs if p.marketing_state == "SUBSCRIBED" and p.contact_status == "unsubscribed"]
    newer = [p for p in opted_in if p.marketing_updated_at > p.contact_changed_at]
    assert 0.3 < len(newer) / len(opted_in) < 0.7


def test_addresses_are_invented_unique_and_sometimes_odd():
    people = list(generate(5000, 1))
    emails = [person.email for person in people if person.email]
    assert len({email.lower() for email in emails}) == len(emails)
    assert {email.rpartition("@")[2] for email in emails} == {"example.com", "example.net", "example.org"}
    assert all(email.isascii() for email in emails)
    assert any(email != email.lower() for email in emails)
    assert any(person.email is None for person in people)
    phones = [person.phone for person in people if person.phone]
    assert len(set(phones)) == len(phones)


def test_the_purchase_log_stays_what_it_is():
    file = shared(SHARED / "data/cdnow/purchases.csv.gz")
    people = [person for person in from_cdnow(file.parents[1], 1) if person.customer]
    with gzip.open(file, "rt") as lines:
        rows = [line.strip().split(",") for line in lines][1:]
    assert len(people) == 23_570
    assert sum(person.orders for person in people) == len(rows) == 69_659
    assert sum(person.spent for person in people) == sum(Decimal(row[3]) for row in rows)
    second = people[1]
    assert (second.number, second.orders, second.spent) == (2, 2, Decimal("89.00"))
    assert second.created_at.date().isoformat() == "1997-01-12"
    assert len([person for person in from_cdnow(file.parents[1], 1, 40) if person.customer]) == 40


def test_shopifys_customer_export(tmp_path):
    file = tmp_path / "customers.csv"
    file.write_text(
        "\ufeffCustomer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,"
        "Default Address Address1,Default Address Address2,Default Address City,Default Address Province Code,"
        "Default Address Country Code,Default Address Zip,Default Address Phone,Phone,Accepts SMS Marketing,"
        "Total Spent,Total Orders,Note,Tax Exempt,Tags\n"
        "'7000,Zoë,Li,zoe@example.com,yes,Acme,1 Oak Street,,Springfield,IL,US,'62701,,'+12025550101,no,12.50,2,,no,\"vip, gold\"\n"
        "'7001,,,,no,,,,,,,,,'+12025550102,no,,,,no,\n",
        encoding="utf-8",
    )
    zoe, nobody = from_shopify_csv(file)
    assert (zoe.email, zoe.first_name, zoe.marketing_state, zoe.tags) == (
        "zoe@example.com",
        "Zoë",
        "SUBSCRIBED",
        ["vip", "gold"],
    )
    assert (zoe.phone, zoe.orders, zoe.spent) == ("+12025550101", 2, Decimal("12.50"))
    assert (zoe.address.zip, zoe.address.province_code, zoe.company) == ("62701", "IL", "Acme")
    assert (nobody.email, nobody.address, nobody.marketing_state) == (None, None, "NOT_SUBSCRIBED")
    assert (zoe.contact_status, nobody.contact_status) == (None, None)
