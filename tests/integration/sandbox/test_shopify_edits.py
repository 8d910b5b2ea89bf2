"""Other people's edits of customers, consent that stays with its address, and reading many by their ids."""

import pytest
from shopify_port import Api

CREATE = "mutation($i: CustomerInput!) { customerCreate(input: $i) { customer { id } userErrors { field message } } }"
UPDATE = "mutation($i: CustomerInput!) { customerUpdate(input: $i) { customer { id } userErrors { field message } } }"
NODES = """query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Customer { updatedAt tags
  defaultEmailAddress { emailAddress marketingState marketingUpdatedAt }
  defaultPhoneNumber { phoneNumber smsMarketingConsent { state optInLevel updatedAt } } } } }"""
OCTOBER = 1_790_899_200  # 2026-10-02


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def ann(api):
    return api.customer(email="ann@example.com", phone="+12025550101", firstName="Ann", tags=["a", "b"])


def edit(api, email="ann@example.com", **change):
    return api.sandbox.edit({"email": email, **change})


def test_everything_can_be_edited_at_once_and_none_of_it_is_a_write_of_the_app(api, ann):
    before = len(api.writes())
    row = edit(
        api,
        set={
            "firstName": "Anna",
            "lastName": "Adler",
            "phone": "+12025550177",
            "address": {"address1": "1 Oak Street", "city": "Austin", "countryCode": "US"},
            "tags_add": ["c"],
            "tags_remove": ["A"],
            "marketingState": "UNSUBSCRIBED",
            "consent_at": "2026-10-02T00:00:00Z",
            "smsMarketingState": "SUBSCRIBED",
            "sms_consent_at": OCTOBER,
        },
    )
    assert row == {
        "key": "ann@example.com",
        "id": ann,
        "email": "ann@example.com",
        "firstName": "Anna",
        "lastName": "Adler",
        "phone": "+12025550177",
        "note": None,
        "tags": ["b", "c"],
        "numberOfOrders": 0,
        "marketingState": "UNSUBSCRIBED",
        "marketingOptInLevel": "SINGLE_OPT_IN",
        "marketingUpdatedAt": "2026-10-02T00:00:00Z",
        "smsMarketingState": "SUBSCRIBED",
        "smsMarketingOptInLevel": "SINGLE_OPT_IN",
        "smsMarketingUpdatedAt": "2026-10-02T00:00:00Z",
    }
    assert api.shop.customers.get(ann).address.place.city == "Austin"
    assert len(api.writes()) == before


def test_a_customer_is_named_by_number_or_gid_too(api, ann):
    number = int(ann.rpartition("/")[2])
    assert api.sandbox.edit({"customer_id": number, "set": {"firstName": "One"}})["firstName"] == "One"
    assert api.sandbox.edit({"customer_id": ann, "set": {"firstName": "Two"}})["firstName"] == "Two"
    with pytest.raises(LookupError):
        api.sandbox.edit({"customer_id": 1, "set": {}})


def test_new_customers_come_with_or_without_consent_and_even_without_an_address(api):
    assert edit(api, "new@example.com")["marketingState"] == "NOT_SUBSCRIBED"
    asked = edit(api, "asked@example.com", set={"marketingState": "SUBSCRIBED", "consent_at": OCTOBER})
    assert (asked["marketingState"], asked["marketingUpdatedAt"]) == ("SUBSCRIBED", "2026-10-02T00:00:00Z")
    by_phone = api.sandbox.edit({"create": True, "set": {"phone": "+12025550109", "smsMarketingState": "SUBSCRIBED"}})
    assert (by_phone["email"], by_phone["smsMarketingState"]) == (None, "SUBSCRIBED")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"set": {"email": "bob@example.com"}}, "Email has already been taken"),
        ({"set": {"email": "nonsense"}}, "Email is invalid"),
        ({"set": {"marketingState": "WILD"}}, "marketingState must be one of"),
        ({"set": {"email": "", "marketingState": "SUBSCRIBED"}}, "An email address is required"),
        ({"set": {"phone": "", "smsMarketingState": "SUBSCRIBED"}}, "A phone number is required"),
        ({"set": {"favourite": "blue"}}, "set knows no favourite"),
        ({"create": True}, "Email has already been taken"),
        ({"merge_into": "ann@example.com"}, "merged into itself"),
    ],
)
def test_what_the_admin_refuses_changes_nothing(api, ann, change, message):
    edit(api, "bob@example.com")
    before = list(api.sandbox.state())
    with pytest.raises(ValueError, match=message):
        edit(api, **change)
    assert list(api.sandbox.state()) == before


def test_deleting_forgets_also_the_consent(api, ann):
    edit(api, set={"marketingState": "SUBSCRIBED"})
    assert edit(api, delete=True) == {"deleted": ann}
    assert api.shop.customers.with_email("ann@example.com") is None
    assert edit(api)["marketingState"] == "NOT_SUBSCRIBED"
    with pytest.raises(LookupError):
        edit(api, "nobody@example.com", delete=True)


def test_merging_keeps_one_with_the_tags_and_orders_of_both(api, ann):
    edit(api, set={"marketingState": "UNSUBSCRIBED", "consent_at": OCTOBER})
    edit(api, "bob@example.com", set={"lastName": "Baker", "tags": ["B", "z"], "marketingState": "SUBSCRIBED"})
    api.shop.customers.with_email("bob@example.com").orders = 2
    assert edit(api, "bob@example.com", merge_into=ann)["deleted"] != ann
    (row,) = api.sandbox.state()
    assert (row["email"], row["firstName"], row["lastName"]) == ("ann@example.com", "Ann", "Baker")
    assert (row["tags"], row["numberOfOrders"], row["marketingState"]) == (["a", "b", "z"], 2, "UNSUBSCRIBED")


def test_a_merge_takes_over_an_address_with_its_consent(api):
    edit(api, "bob@example.com", set={"marketingState": "SUBSCRIBED", "consent_at": OCTOBER})
    by_phone = api.sandbox.edit({"create": True, "set": {"phone": "+12025550109"}})["id"]
    edit(api, "bob@example.com", merge_into=by_phone)
    (row,) = api.sandbox.state()
    assert (row["id"], row["email"], row["phone"]) == (by_phone, "bob@example.com", "+12025550109")
    assert (row["marketingState"], row["marketingUpdatedAt"]) == ("SUBSCRIBED", "2026-10-02T00:00:00Z")


def shown(api, gid):
    (node,) = api(NODES, ids=[gid])
    address = node["defaultEmailAddress"]
    return address["emailAddress"], address["marketingState"], address["marketingUpdatedAt"]


@pytest.mark.parametrize("by", ["app", "merchant"])
def test_consent_belongs_to_the_address(api, ann, by):
    """M6: a new address was never asked; the old one is found as it was left."""

    def rename(email):
        if by == "app":
            assert api(UPDATE, i={"id": ann, "email": email})["userErrors"] == []
        else:
            api.sandbox.edit({"customer_id": ann, "set": {"email": email}})

    edit(api, set={"marketingState": "UNSUBSCRIBED", "consent_at": OCTOBER})
    rename("anna@example.com")
    assert shown(api, ann) == ("anna@example.com", "NOT_SUBSCRIBED", None)
    rename("Anna@example.com")
    edit(api, "anna@example.com", set={"marketingState": "SUBSCRIBED", "consent_at": OCTOBER + 86_400})
    rename("ANNA@example.com")
    assert shown(api, ann) == ("ANNA@example.com", "SUBSCRIBED", "2026-10-03T00:00:00Z")
    rename("ann@example.com")
    assert shown(api, ann) == ("ann@example.com", "UNSUBSCRIBED", "2026-10-02T00:00:00Z")
    other = edit(api, "anna@example.com")  # somebody else takes on the address that was left
    assert other["marketingState"] == "SUBSCRIBED"


def test_sms_consent_belongs_to_the_number(api, ann):
    edit(api, set={"smsMarketingState": "UNSUBSCRIBED", "sms_consent_at": OCTOBER})
    assert edit(api, set={"phone": "+12025550102"})["smsMarketingState"] == "NOT_SUBSCRIBED"
    assert edit(api, set={"phone": "+12025550101"})["smsMarketingUpdatedAt"] == "2026-10-02T00:00:00Z"


def test_an_address_and_a_choice_for_it_in_one_edit(api, ann):
    row = edit(api, set={"email": "anna@example.com", "marketingState": "SUBSCRIBED", "consent_at": OCTOBER})
    assert (row["email"], row["marketingState"]) == ("anna@example.com", "SUBSCRIBED")
    assert edit(api)["marketingState"] == "NOT_SUBSCRIBED"


def test_nodes_come_in_the_order_asked_and_unknown_ones_are_null(api, ann):
    bob = api.customer(email="bob@example.com")
    found = api(NODES, ids=[bob, "gid://shopify/Customer/1", ann, "gid://shopify/Order/1"])
    assert [each and each["id"] for each in found] == [bob, None, ann, None]
    assert found[2]["defaultPhoneNumber"]["smsMarketingConsent"]["state"] == "NEVER_SUBSCRIBED"


def test_250_nodes_cost_as_much_as_one_and_more_are_refused(api):
    gids = [api.customer(email=f"p{number}@example.com") for number in range(250)]
    one, many = api.run(NODES, ids=gids[:1]), api.run(NODES, ids=gids)
    assert len(many["data"]["nodes"]) == 250
    assert many["extensions"]["cost"]["requestedQueryCost"] == one["extensions"]["cost"]["requestedQueryCost"]
    assert many["extensions"]["cost"]["actualQueryCost"] == one["extensions"]["cost"]["actualQueryCost"]
    (error,) = api.run(NODES, ids=[*gids, gids[0]])["errors"]
    assert error["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"


def test_a_sweep_finds_every_kind_of_change(api, ann):
    api.customer(email="still@example.com")
    edits = (
        {"marketingState": "SUBSCRIBED"},
        {"smsMarketingState": "SUBSCRIBED"},
        {"tags_add": ["x"]},
        {"email": "anna@example.com"},
    )
    text = """query($q: String!) { customers(first: 10, query: $q, sortKey: UPDATED_AT) { nodes { id
      tags defaultEmailAddress { marketingState } defaultPhoneNumber { smsMarketingConsent { state } } } } }"""
    for values in edits:
        api.clock.at += 60
        since = api.sandbox.main.customers.now()
        api.sandbox.edit({"customer_id": ann, "set": values})
        moment = api(NODES, ids=[ann])[0]["updatedAt"]
        assert [each["id"] for each in api(text, q=f"updated_at:>='{moment}'")["nodes"]] == [ann]
        assert api.shop.customers.get(ann).updated == since


def test_a_taken_address_is_refused_to_the_app(api, ann):
    taken = [{"field": ["email"], "message": "Email has already been taken"}]
    assert api(CREATE, i={"email": "ANN@example.com"})["userErrors"] == taken
    bob = api.customer(email="bob@example.com")
    assert api(UPDATE, i={"id": bob, "email": "ann@example.com"})["userErrors"] == taken
    assert api(UPDATE, i={"id": bob, "email": "robert@example.com", "lastName": "Baker"})["userErrors"] == []
    assert shown(api, bob)[0] == "robert@example.com"
