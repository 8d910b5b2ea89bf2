"""The sandbox's web pixel (shopify.md section 6) and marketing activities (7.3)."""

import json

import pytest
from shopify_port import DOMAIN, Api

SETTINGS = {"accountID": "acc_1", "endpoint": "https://app.example.com/pixel/v1/events"}
CREATE = "mutation($w: WebPixelInput!) { webPixelCreate(webPixel: $w) { webPixel { id settings } userErrors { field code } } }"
UPDATE = """mutation($id: ID!, $w: WebPixelInput!) {
  webPixelUpdate(id: $id, webPixel: $w) { webPixel { id settings } userErrors { code } } }"""
DELETE = "mutation($id: ID!) { webPixelDelete(id: $id) { deletedWebPixelId userErrors { code } } }"
READ = "query($id: ID) { webPixel(id: $id) { id settings } }"

UPSERT = """mutation($i: MarketingActivityUpsertExternalInput!) { marketingActivityUpsertExternal(input: $i)
  { marketingActivity { id title updatedAt } userErrors { message code } } }"""
ENGAGE = """mutation($r: String, $c: String, $m: MarketingEngagementInput!) {
  marketingEngagementCreate(remoteId: $r, channelHandle: $c, marketingEngagement: $m)
  { marketingEngagement { occurredOn viewsCount marketingActivity { id } } userErrors { message code } } }"""
CAMPAIGN = {
    "remoteId": "c1",
    "title": "November",
    "remoteUrl": "https://mailchimp.example.com/c1",
    "status": "ACTIVE",
    "tactic": "NEWSLETTER",
    "marketingChannelType": "EMAIL",
    "utm": {"campaign": "november", "source": "mailchimp", "medium": "email"},
}


def test_one_pixel_from_its_making_to_its_end():
    api = Api()
    assert api(READ) is None
    made = api(CREATE, w={"settings": json.dumps(SETTINGS)})["webPixel"]
    assert json.loads(made["settings"]) == SETTINGS
    assert api(CREATE, w={"settings": SETTINGS})["userErrors"] == [{"field": None, "code": "TAKEN"}]
    assert api(READ) == api(READ, id=made["id"]) == made
    changed = api(UPDATE, id=made["id"], w={"settings": {**SETTINGS, "accountID": "acc_2"}})["webPixel"]
    assert json.loads(changed["settings"])["accountID"] == "acc_2"
    assert api(DELETE, id=made["id"]) == {"deletedWebPixelId": made["id"], "userErrors": []}
    assert api(DELETE, id=made["id"])["userErrors"] == [{"code": "NOT_FOUND"}]
    assert api(UPDATE, id=made["id"], w={"settings": SETTINGS})["userErrors"] == [{"code": "NOT_FOUND"}]
    assert api(CREATE, w={"settings": SETTINGS})["webPixel"]["id"] != made["id"]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"accountID": "acc_1"}, "INVALID_SETTINGS"),
        ({**SETTINGS, "more": "x"}, "INVALID_SETTINGS"),
        ({**SETTINGS, "accountID": ""}, "INVALID_SETTINGS"),
        ({**SETTINGS, "accountID": 7}, "INVALID_SETTINGS"),
        ("{not json", "INVALID_CONFIGURATION_JSON"),
        ("[]", "INVALID_CONFIGURATION_JSON"),
        ("", "BLANK"),
    ],
)
def test_settings_are_those_of_the_toml(settings, code):
    api = Api()
    (error,) = api(CREATE, w={"settings": settings})["userErrors"]
    assert error == {"field": ["webPixel", "settings"], "code": code}
    assert api(READ) is None


def test_without_an_extension_there_is_no_pixel():
    api = Api()
    api.shop.pixels.extension = None
    assert api(CREATE, w={"settings": SETTINGS})["userErrors"] == [{"field": None, "code": "NO_EXTENSION"}]


@pytest.mark.parametrize("missing", ["write_pixels", "read_customer_events"])
def test_a_pixel_needs_both_scopes(missing):
    scopes = tuple({"write_pixels", "read_customer_events"} - {missing})
    answer = Api(scopes=scopes).run(CREATE, w={"settings": SETTINGS})
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert missing in answer["errors"][0]["message"]


def test_an_uninstall_takes_the_pixel_along():
    api = Api()
    api(CREATE, w={"settings": SETTINGS})
    api.sandbox.shops[DOMAIN].uninstall()
    assert api.shop.pixels.get(None) is None


def test_an_activity_is_made_once_and_then_changed():
    api = Api()
    made = api(UPSERT, i=CAMPAIGN)["marketingActivity"]
    api.clock.at += 5
    again = api(UPSERT, i={**CAMPAIGN, "title": "November, again"})["marketingActivity"]
    assert (again["id"], again["title"]) == (made["id"], "November, again")
    listed = api(
        '{ marketingActivities(first: 5, remoteIds: ["c1", "c2"]) { nodes { title marketingEvent { remoteId } } } }'
    )
    assert listed["nodes"] == [{"title": "November, again", "marketingEvent": {"remoteId": "c1"}}]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"remoteId": "c2"}, "MARKETING_ACTIVITY_WITH_UTM_CAMPAIGN_ALREADY_EXISTS"),
        ({"remoteId": "c2", "utm": None}, "NON_HIERARCHIAL_REQUIRES_UTM_URL_PARAMETER"),
        ({"utm": {"campaign": "other", "source": "mailchimp", "medium": "email"}}, "IMMUTABLE_UTM_PARAMETERS"),
        ({"urlParameterValue": "x"}, "IMMUTABLE_URL_PARAMETER"),
        ({"title": " "}, "INVALID"),
    ],
)
def test_what_an_activity_is_refused_for(changes, code):
    api = Api()
    api(UPSERT, i=CAMPAIGN)
    answer = api(UPSERT, i={**CAMPAIGN, **changes})
    assert [error["code"] for error in answer["userErrors"]] == [code]
    assert answer["marketingActivity"] is None


def test_a_days_numbers_are_written_over():
    api = Api()
    api(UPSERT, i=CAMPAIGN)
    for views in (7, 9):
        day = {"occurredOn": "2026-11-20", "utcOffset": "+00:00", "viewsCount": views}
        engagement = api(ENGAGE, r="c1", m=day)["marketingEngagement"]
    assert (engagement["occurredOn"], engagement["viewsCount"]) == ("2026-11-20", 9)
    (line,) = [line for line in api.sandbox.state() if line.get("kind") == "marketing_activity"]
    assert line["engagements"]["2026-11-20"]["viewsCount"] == 9


@pytest.mark.parametrize(
    ("named", "numbers", "code"),
    [
        ({}, {"viewsCount": 1}, "INVALID_MARKETING_ENGAGEMENT_ARGUMENTS"),
        ({"r": "c1", "c": "email"}, {"viewsCount": 1}, "INVALID_MARKETING_ENGAGEMENT_ARGUMENTS"),
        ({"r": "c9"}, {"viewsCount": 1}, "MARKETING_ACTIVITY_DOES_NOT_EXIST"),
        ({"r": "c1"}, {}, "INVALID_MARKETING_ENGAGEMENT_ARGUMENT_MISSING"),
        ({"r": "c1"}, {"sales": {"amount": "1", "currencyCode": "EUR"}}, "MARKETING_ACTIVITY_CURRENCY_CODE_MISMATCH"),
    ],
)
def test_what_an_engagement_is_refused_for(named, numbers, code):
    api = Api()
    api(UPSERT, i=CAMPAIGN)
    day = {"occurredOn": "2026-11-20", "utcOffset": "+00:00", **numbers}
    assert [error["code"] for error in api(ENGAGE, **named, m=day)["userErrors"]] == [code]


def test_marketing_activities_need_their_scope():
    answer = Api(scopes=("read_marketing_events",)).run(UPSERT, i=CAMPAIGN)
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
