"""Creating, changing and finding customers: shopify.md sections 2.2 and 2.5."""

import pytest
from shopify_port import Api

CREATE = "mutation($i: CustomerInput!) { customerCreate(input: $i) { customer { id tags displayName locale state verifiedEmail firstName } userErrors { field message } } }"
UPDATE = "mutation($i: CustomerInput!) { customerUpdate(input: $i) { customer { id tags email firstName } userErrors { field message } } }"
SET = "mutation($who: CustomerSetIdentifiers, $i: CustomerSetInput!) { customerSet(identifier: $who, input: $i) { customer { id firstName } userErrors { field message code } } }"
DELETE = "mutation($id: ID!) { customerDelete(input: {id: $id}) { deletedCustomerId userErrors { field message } } }"
TAGS = "mutation($id: ID!, $t: [String!]!) { %s(id: $id, tags: $t) { node { id ... on Customer { tags } } userErrors { field message } } }"
PAGE = """query($first: Int, $last: Int, $after: String, $before: String, $query: String, $sortKey: CustomerSortKeys, $reverse: Boolean) {
  customers(first: $first, last: $last, after: $after, before: $before, query: $query, sortKey: $sortKey, reverse: $reverse) {
    nodes { id email updatedAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


@pytest.fixture
def api():
    return Api()


def problems(answer):
    return [(error["field"], error["message"]) for error in answer["userErrors"]]


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"email": "no-address"}, ["email"], "Email is invalid"),
        ({"email": "ANN@example.com"}, ["email"], "Email has already been taken"),
        ({"phone": "12"}, ["phone"], "Phone is invalid"),
        ({"phone": "+1 (202) 555-0101"}, ["phone"], "Phone has already been taken"),
        ({"note": "nameless"}, None, "A name, phone number, or email address must be present"),
        ({"firstName": "   "}, None, "A name, phone number, or email address must be present"),
        ({"firstName": "Bo", "locale": "klingon"}, ["locale"], "Locale is invalid"),
        ({"firstName": "x" * 256}, ["firstName"], "First name is too long (maximum is 255 characters)"),
        ({"firstName": "Bo", "note": "x" * 5001}, ["note"], "Note is too long (maximum is 5000 characters)"),
        ({"firstName": "Bo", "tags": ["x" * 256]}, ["tags"], "Tags is too long (maximum is 255 characters)"),
        ({"firstName": "Bo", "tags": [str(n) for n in range(251)]}, ["tags"], "Tags cannot exceed 250 tags"),
    ],
)
def test_refusals(api, given, field, message):
    api.customer(email="ann@example.com", phone="+12025550101")
    assert problems(api(CREATE, i=given)) == [(field, message)]
    assert len(api.shop.customers) == 1


def test_a_new_customer(api):
    made = api(CREATE, i={"email": "bo@example.com", "firstName": " ", "lastName": "Li", "tags": ["b,A ", "a", "C"]})[
        "customer"
    ]
    assert made["tags"] == ["A", "b", "C"]
    assert (made["displayName"], made["firstName"]) == ("Li", None)
    assert (made["locale"], made["state"], made["verifiedEmail"]) == ("en", "DISABLED", True)


def test_update_replaces_tags_and_touches_only_what_it_names(api):
    gid = api.customer(email="ann@example.com", firstName="Ann", tags=["one"])
    assert api(UPDATE, i={"id": gid, "tags": ["two"]})["customer"] == {
        "id": gid,
        "tags": ["two"],
        "email": "ann@example.com",
        "firstName": "Ann",
    }
    assert problems(api(UPDATE, i={"id": "gid://shopify/Customer/1"})) == [(["id"], "Customer does not exist")]


def test_a_new_address_frees_the_old_one(api):
    gid = api.customer(email="ann@example.com")
    api(UPDATE, i={"id": gid, "email": "ann2@example.com"})
    find = "query($i: CustomerIdentifierInput!) { customerByIdentifier(identifier: $i) { id } }"
    assert api(find, i={"emailAddress": "ANN2@example.com"}) == {"id": gid}
    assert api(find, i={"emailAddress": "ann@example.com"}) is None
    assert problems(api(CREATE, i={"email": "ann@example.com"})) == []


def test_nobody_is_left_without_a_name(api):
    gid = api.customer(email="ann@example.com")
    assert problems(api(UPDATE, i={"id": gid, "email": None})) == [
        (None, "A name, phone number, or email address must be present")
    ]


def test_customer_set_creates_then_updates(api):
    who = {"email": "ann@example.com"}
    first = api(SET, who=who, i={"email": "ann@example.com", "firstName": "Ann"})["customer"]
    again = api(SET, who=who, i={"email": "ann@example.com", "firstName": "Anna"})["customer"]
    assert again == {"id": first["id"], "firstName": "Anna"}
    (error,) = api(SET, who=who, i={"email": "other@example.com"})["userErrors"]
    assert (error["field"], error["code"]) == (["input", "email"], "INPUT_MISMATCH")


def test_delete_is_refused_with_orders(api):
    gid = api.customer(email="ann@example.com")
    api.shop.customers.get(gid).orders = 1
    ((field, message),) = problems(api(DELETE, id=gid))
    assert field == ["id"]
    assert "orders" in message
    api.shop.customers.get(gid).orders = 0
    assert api(DELETE, id=gid)["deletedCustomerId"] == gid
    assert api(PAGE, first=5)["nodes"] == []


def test_tags_are_added_and_removed_whatever_their_case(api):
    gid = api.customer(email="ann@example.com", tags=["vip"])
    assert api(TAGS % "tagsAdd", id=gid, t=["Gold, VIP"])["node"]["tags"] == ["Gold", "vip"]
    writes = len(api.writes())
    assert api(TAGS % "tagsRemove", id=gid, t=["GOLD"])["node"]["tags"] == ["vip"]
    api(TAGS % "tagsRemove", id=gid, t=["GOLD"])
    assert len(api.writes()) == writes + 1


def walk(api, **arguments):
    found, after = [], None
    while True:
        page = api(PAGE, after=after, **arguments)
        found += [node["id"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


@pytest.mark.parametrize("order", ["ID", "UPDATED_AT", "CREATED_AT", "NAME", "LOCATION"])
@pytest.mark.parametrize("reverse", [False, True])
def test_every_order_pages_through_everybody_once(order, reverse):
    api = Api(100)
    found = walk(api, first=7, sortKey=order, reverse=reverse)
    assert len(found) == len(set(found)) == 100
    customers = [api.shop.customers.get(gid) for gid in found]
    if order == "UPDATED_AT":
        assert [c.updated for c in customers] == sorted((c.updated for c in customers), reverse=reverse)


def test_last_and_before_walk_backwards():
    api = Api(30)
    everybody = walk(api, first=30)
    tail = api(PAGE, last=5)
    assert [node["id"] for node in tail["nodes"]] == everybody[-5:]
    assert tail["pageInfo"]["hasPreviousPage"] is True
    before = api(PAGE, last=5, before=tail["pageInfo"]["startCursor"])
    assert [node["id"] for node in before["nodes"]] == everybody[-10:-5]


def test_a_change_moves_a_customer_to_the_end_of_the_updates():
    api = Api(50)
    since = api.clock.at = api.clock.at + 10
    gid = walk(api, first=50)[10]
    api(UPDATE, i={"id": gid, "firstName": "Moved"})
    page = api(PAGE, first=10, sortKey="UPDATED_AT", query=f"updated_at:>='{stamp(since)}'")
    assert [node["id"] for node in page["nodes"]] == [gid]
    assert walk(api, first=7, sortKey="UPDATED_AT")[-1] == gid
    assert len(walk(api, first=7, sortKey="UPDATED_AT")) == 50


def stamp(seconds):
    from shopchimp.sandbox.shopify.fields import iso

    return iso(int(seconds))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("email:ann@example.com", {"ann"}),
        ("email:example.com", {"ann", "bo", "cy"}),
        ("ann", {"ann"}),
        ("tag:VIP", {"ann", "cy"}),
        ("tag:vip AND NOT first_name:Cy", {"ann"}),
        ("tag:vip -first_name:Ann", {"cy"}),
        ("first_name:Ann OR first_name:Bo", {"ann", "bo"}),
        ("(first_name:Ann OR first_name:Bo) tag_not:vip", {"bo"}),
        ('first_name:"Cy"', {"cy"}),
        ("first_name:c*", {"cy"}),
        ("accepts_marketing:true", {"bo"}),
        ("orders_count:>=1", set()),
        ("updated_at:>='2020-01-01'", {"ann", "bo", "cy"}),
        ("updated_at:<2020-01-01", set()),
        ("no_such_filter:7", {"ann", "bo", "cy"}),
    ],
)
def test_search_syntax(api, query, found):
    consent = {"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
    api.customer(email="ann@example.com", firstName="Ann", tags=["vip"])
    api.customer(email="bo@example.com", firstName="Bo", emailMarketingConsent=consent)
    api.customer(email="cy@example.com", firstName="Cy", tags=["vip"])
    assert {node["email"].split("@")[0] for node in api(PAGE, first=10, query=query)["nodes"]} == found


def test_id_filters_take_numbers(api):
    gids = [api.customer(firstName=name) for name in "abc"]
    page = api(PAGE, first=5, query=f"id:>{gids[0].rpartition('/')[2]}")
    assert [node["id"] for node in page["nodes"]] == gids[1:]


def test_counts_stop_at_their_limit():
    api = Api(60)
    count = "query($q: String, $l: Int) { customersCount(query: $q, limit: $l) { count precision } }"
    assert api(count, l=10_000) == {"count": 60, "precision": "EXACT"}
    assert api(count, l=50) == {"count": 50, "precision": "AT_LEAST"}
    assert api(count, q="email:*", l=50) == {"count": 50, "precision": "AT_LEAST"}


@pytest.mark.parametrize(
    "arguments", [{}, {"first": 3, "last": 3}, {"first": 251}, {"first": 0}, {"first": 2, "after": "!!"}]
)
def test_pages_that_cannot_be_turned(arguments):
    answer = Api(5).run(PAGE, **arguments)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_REQUEST"]


def test_any_object_by_id(api):
    gid = api.customer(email="ann@example.com")
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Customer { email } } }"
    assert api(text, ids=[gid, "gid://shopify/Customer/1"]) == [
        {"__typename": "Customer", "id": gid, "email": "ann@example.com"},
        None,
    ]
