"""The sandbox's metafields of customers, and segments that find people by them (shopify.md section 7.2)."""

from datetime import UTC, datetime, timedelta

import pytest
from shopify_port import Api

SET = """mutation($m: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $m) { metafields { key value compareDigest } userErrors { field message code elementIndex } }
}"""
DEFINE = """mutation($d: MetafieldDefinitionInput!) {
  metafieldDefinitionCreate(definition: $d) { createdDefinition { id } userErrors { field message code } }
}"""
MEMBERS = """query($query: String, $segment: ID, $first: Int = 250, $after: String) {
  customerSegmentMembers(query: $query, segmentId: $segment, first: $first, after: $after) {
    totalCount edges { cursor node { id displayName metafield(namespace: "shopchimp", key: "email_opened_count") { value } } }
    pageInfo { hasNextPage endCursor }
  }
}"""


def field(owner, key, value, kind="single_line_text_field", **more):
    return {"ownerId": owner, "namespace": "shopchimp", "key": key, "type": kind, "value": value, **more}


def define(api, key, kind, **more):
    given = {"name": key, "namespace": "shopchimp", "key": key, "type": kind, "ownerType": "CUSTOMER", **more}
    return api(DEFINE, d=given)["userErrors"]


def found(api, query):
    return [edge["node"]["displayName"] for edge in api(MEMBERS, query=query)["edges"]]


def days_ago(api, days):
    return (datetime.fromtimestamp(api.clock(), UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_metafields_are_written_over_and_read_back():
    api = Api()
    ann = api.customer(email="ann@example.com")
    assert api(SET, m=[field(ann, "email_opened_count", "6", "number_integer")])["userErrors"] == []
    api.clock.at += 60
    api(SET, m=[field(ann, "email_opened_count", "7", "number_integer"), field(ann, "last_campaign", "November")])
    read = api(
        'query($id: ID!) { customer(id: $id) { one: metafield(namespace: "shopchimp", key: "email_opened_count")'
        ' { value type ownerType } none: metafield(namespace: "shopchimp", key: "gone") { value }'
        ' named: metafields(first: 5, keys: ["shopchimp.last_campaign"]) { nodes { value } }'
        ' own: metafields(first: 5, namespace: "$app") { nodes { value } }'
        ' metafields(first: 5, namespace: "shopchimp") { nodes { namespace key value createdAt updatedAt } } } }',
        id=ann,
    )
    assert read["one"] == {"value": "7", "type": "number_integer", "ownerType": "CUSTOMER"}
    assert read["none"] is None
    assert read["named"]["nodes"] == [{"value": "November"}]
    assert read["own"]["nodes"] == []
    counted, _ = read["metafields"]["nodes"]
    assert counted["createdAt"] < counted["updatedAt"]
    (person,) = [line for line in api.sandbox.state() if line.get("id") == ann]
    assert person["metafields"] == {"shopchimp.email_opened_count": "7", "shopchimp.last_campaign": "November"}


def test_one_bad_metafield_and_none_of_the_call_is_written():
    api = Api()
    ann, bob = api.customer(email="ann@example.com"), api.customer(email="bob@example.com")
    bad = field(bob, "email_opened_count", "seven", "number_integer")
    answer = api(SET, m=[field(ann, "email_opened_count", "1", "number_integer"), bad])
    (error,) = answer["userErrors"]
    assert (error["field"], error["code"], error["elementIndex"]) == (["metafields", "1", "value"], "INVALID_VALUE", 1)
    assert answer["metafields"] is None
    assert [kind for kind, _, _ in api.writes()].count("metafields") == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ownerId": "gid://shopify/Customer/1"}, "INVALID"),
        ({"namespace": "ab"}, "TOO_SHORT"),
        ({"key": "a b"}, "INVALID"),
        ({"type": "date_time", "value": "yesterday"}, "INVALID_VALUE"),
        ({"type": "date_time", "value": "2026-11-20"}, "INVALID_VALUE"),
        ({"type": "number_integer", "value": "1.5"}, "INVALID_VALUE"),
        ({"value": "two\nlines"}, "INVALID_VALUE"),
        ({"value": ""}, "BLANK"),
        ({"type": "poem"}, "INCLUSION"),
        ({"key": "defined", "type": "json", "value": "{}"}, "INVALID_TYPE"),
        ({"compareDigest": "older"}, "STALE_OBJECT"),
    ],
)
def test_what_metafields_set_refuses(changes, code):
    api = Api()
    define(api, "defined", "number_integer")
    ann = api.customer(email="ann@example.com")
    (error,) = api(SET, m=[{**field(ann, "fine", "x"), **changes}])["userErrors"]
    assert error["code"] == code


def test_twenty_five_a_call_and_not_one_more():
    api = Api()
    ann = api.customer(email="ann@example.com")
    rows = [field(ann, f"key_{number}", "x") for number in range(26)]
    assert api(SET, m=rows[:25])["userErrors"] == []
    (error,) = api(SET, m=rows)["userErrors"]
    assert (error["field"], error["code"]) == (["metafields"], "LESS_THAN_OR_EQUAL_TO")


def test_definitions_are_made_once_and_gone_when_deleted():
    api = Api()
    assert define(api, "email_opened_count", "number_integer") == []
    (error,) = define(api, "email_opened_count", "number_integer")
    assert (error["field"], error["code"]) == (["definition", "key"], "TAKEN")
    (error,) = define(api, "other", "poem")
    assert error["code"] == "INCLUSION"
    (error,) = define(api, "other", "boolean", access={"admin": "MERCHANT_READ"})
    assert error["code"] == "ADMIN_ACCESS_INPUT_NOT_ALLOWED"
    ann = api.customer(email="ann@example.com")
    api(SET, m=[field(ann, "email_opened_count", "7", "number_integer")])
    listed = '{ metafieldDefinitions(first: 9, ownerType: CUSTOMER, namespace: "shopchimp") { nodes { id metafieldsCount } } }'
    (only,) = api(listed)["nodes"]
    assert only["metafieldsCount"] == 1
    delete = """mutation($id: ID!) { metafieldDefinitionDelete(id: $id, deleteAllAssociatedMetafields: true)
      { deletedDefinitionId userErrors { code } } }"""
    assert api(delete, id=only["id"]) == {"deletedDefinitionId": only["id"], "userErrors": []}
    assert api(listed)["nodes"] == []
    assert api.shop.customers.get(ann).metafields == {}
    assert api(delete, id=only["id"])["userErrors"] == [{"code": "NOT_FOUND"}]


def test_metafields_need_the_scope_of_customers():
    api = Api(scopes=("read_customers",))
    answer = api.run(SET, m=[])
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"


def test_a_metafield_tells_customers_update_only_when_told_to():
    api = Api()
    heard = []
    api.shop.customers.listeners.append(lambda happening, *_: heard.append(happening.topic))
    ann = api.customer(email="ann@example.com")
    api(SET, m=[field(ann, "a_key", "x")])
    assert heard == ["customers/create"]
    api.shop.metafields.tells = True
    api(SET, m=[field(ann, "a_key", "y")])
    assert heard == ["customers/create", "customers/update"]


def opened_at_times():
    api = Api()
    for key, kind in (
        ("email_last_opened_at", "date_time"),
        ("email_opened_count", "number_integer"),
        ("last_campaign", "single_line_text_field"),
    ):
        define(api, key, kind)
    for name, days, count in (("Ann", 2, 3), ("Bob", 29, 1), ("Cay", 40, 9)):
        who = api.customer(firstName=name, lastName="Lee", email=f"{name}@example.com")
        api(
            SET,
            m=[
                field(who, "email_last_opened_at", days_ago(api, days), "date_time"),
                field(who, "email_opened_count", str(count), "number_integer"),
                field(who, "last_campaign", "It's November" if count > 1 else "October"),
            ],
        )
    api.customer(firstName="Dee", lastName="Lee", email="dee@example.com")
    return api


def test_a_segment_finds_who_opened_in_the_last_30_days():
    """S59: relative days, and nobody who never opened."""
    api = opened_at_times()
    assert found(api, "metafields.shopchimp.email_last_opened_at >= -30d") == ["Ann Lee", "Bob Lee"]
    assert found(api, "metafields.shopchimp.email_last_opened_at >= 30_days_ago") == ["Ann Lee", "Bob Lee"]
    assert found(api, "metafields.shopchimp.email_last_opened_at < -30d") == ["Cay Lee"]
    assert found(api, f"metafields.shopchimp.email_last_opened_at = {days_ago(api, 2)[:10]}") == ["Ann Lee"]
    assert found(api, "metafields.shopchimp.email_last_opened_at IS NULL") == ["Dee Lee"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("metafields.shopchimp.email_opened_count > 1", ["Ann", "Cay"]),
        ("metafields.shopchimp.email_opened_count BETWEEN 1 AND 3", ["Ann", "Bob"]),
        ("metafields.shopchimp.last_campaign = 'It\\'s November'", ["Ann", "Cay"]),
        ("metafields.shopchimp.last_campaign != 'october'", ["Ann", "Cay", "Dee"]),
        (
            "(metafields.shopchimp.email_opened_count = 9 OR number_of_orders > 1) AND email_subscription_status != 'x'",
            ["Cay"],
        ),
        ("number_of_orders > 0", []),
        ("", ["Ann", "Bob", "Cay", "Dee"]),
    ],
)
def test_the_language_of_segments(query, names):
    assert [name.split()[0] for name in found(opened_at_times(), query)] == names


@pytest.mark.parametrize(
    "query",
    [
        "metafields.shopchimp.not_defined >= -30d",
        "metafields.shopchimp.email_opened_count >= 'many'",
        "metafields.shopchimp.email_last_opened_at >= soon",
        "number_of_orders >",
        "number_of_orders > 1 1",
        "(number_of_orders > 1",
        "~",
    ],
)
def test_a_segment_that_cannot_be_read_is_refused(query):
    api = opened_at_times()
    assert api.run(MEMBERS, query=query)["errors"]
    make = (
        'mutation($q: String!) { segmentCreate(name: "A", query: $q) { segment { id } userErrors { field message } } }'
    )
    made = api(make, q=query)
    assert made["segment"] is None
    assert [error["field"] for error in made["userErrors"]] == [["query"]]


def test_a_saved_segment_is_asked_by_its_id_and_paged():
    api = opened_at_times()
    make = 'mutation($q: String!) { segmentCreate(name: "Readers", query: $q) { segment { id name } userErrors { field } } }'
    segment = api(make, q="metafields.shopchimp.email_opened_count >= 1")["segment"]
    assert api(make, q="number_of_orders > 1")["userErrors"] == [{"field": ["name"]}]
    first = api(MEMBERS, segment=segment["id"], first=2)
    assert first["totalCount"] == 3
    second = api(MEMBERS, segment=segment["id"], first=2, after=first["pageInfo"]["endCursor"])
    rows = [edge["node"] for page in (first, second) for edge in page["edges"]]
    assert [row["metafield"]["value"] for row in rows] == ["3", "1", "9"]
    assert all(row["id"].startswith("gid://shopify/CustomerSegmentMember/") for row in rows)
    assert second["pageInfo"]["hasNextPage"] is False
    names = [node["queryName"] for node in api("{ segmentFilters(first: 50) { nodes { queryName } } }")["nodes"]]
    assert "metafields.shopchimp.email_last_opened_at" in names
