"""Campaigns told to Shopify (shopify.md section 7.3): one activity for each, and its numbers by day."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from shopchimp.sandbox.shopify.fields import iso
from shopchimp.sandbox.shopify.paging import Connection, page_of

FIRST_ACTIVITY: Final = 160_000_000_000
COUNTS: Final = (
    "sendsCount", "impressionsCount", "viewsCount", "uniqueViewsCount", "clicksCount", "uniqueClicksCount",
    "unsubscribesCount", "complaintsCount", "failsCount", "favoritesCount", "commentsCount", "sharesCount",
    "sessionsCount", "orders", "firstTimeCustomers", "returningCustomers", "primaryConversions", "allConversions",
)  # fmt: skip
# Set once, when the activity is made: input field -> what Shopify says to another value.
FIXED: Final = {
    "utm": "IMMUTABLE_UTM_PARAMETERS",
    "urlParameterValue": "IMMUTABLE_URL_PARAMETER",
    "channelHandle": "IMMUTABLE_CHANNEL_HANDLE",
    "hierarchyLevel": "IMMUTABLE_HIERARCHY_LEVEL",
    "parentRemoteId": "IMMUTABLE_PARENT_ID",
}

Given = Mapping[str, Any]


@dataclass(slots=True)
class Activity:
    number: int
    given: dict[str, Any]
    created: int
    updated: int
    engagements: dict[str, dict[str, Any]] = field(default_factory=dict)  # day -> its numbers

    @property
    def gid(self) -> str:
        return f"gid://shopify/MarketingActivity/{self.number}"


@dataclass(slots=True)
class Marketing:
    clock: Callable[[], float]
    app: Callable[[], dict[str, Any]]
    log: Callable[[str, str, dict[str, Any]], None]
    currency: str
    activities: dict[str, Activity] = field(default_factory=dict)  # remote id -> activity

    def upsert(self, given: Given) -> dict[str, Any]:
        found = self.activities.get(given["remoteId"])
        if problem := self._problem(given, found):
            message, code = problem
            error = {"field": ["input"], "message": message, "code": code}
            return {"marketingActivity": None, "userErrors": [error]}
        now = int(self.clock())
        if found is None:
            number = FIRST_ACTIVITY + len(self.activities) + 1
            found = self.activities[given["remoteId"]] = Activity(number, dict(given), now, now)
        else:
            found.given |= {name: value for name, value in given.items() if value is not None}
            found.updated = now
        self.log("marketing_activity", given["remoteId"], dict(given))
        return {"marketingActivity": self.shown(found), "userErrors": []}

    def engage(self, args: Given) -> dict[str, Any]:
        named = [name for name in ("remoteId", "marketingActivityId", "channelHandle") if args.get(name)]
        if len(named) != 1:
            message = "Exactly one of remote ID, marketing activity ID or channel handle must be given."
            return _not_engaged(message, "INVALID_MARKETING_ENGAGEMENT_ARGUMENTS")
        found = self._find(args)
        if found is None:
            return _not_engaged("Marketing activity does not exist.", "MARKETING_ACTIVITY_DOES_NOT_EXIST")
        given = args["marketingEngagement"]
        if not any(given.get(name) is not None for name in (*COUNTS, "sales", "adSpend")):
            message = "At least one engagement metric must be given."
            return _not_engaged(message, "INVALID_MARKETING_ENGAGEMENT_ARGUMENT_MISSING")
        if any((money := given.get(name)) and money["currencyCode"] != self.currency for name in ("sales", "adSpend")):
            message = "The currency code must be that of the marketing activity."
            return _not_engaged(message, "MARKETING_ACTIVITY_CURRENCY_CODE_MISMATCH")
        day = str(given["occurredOn"])
        engagement = {name: given.get(name) for name in (*COUNTS, "sales", "adSpend")}
        engagement |= {"occurredOn": day, "utcOffset": given["utcOffset"], "isCumulative": False}
        found.engagements[day] = engagement
        self.log("marketing_engagement", f"{found.given['remoteId']} {day}", dict(given))
        shown = {**engagement, "channelHandle": None, "marketingActivity": self.shown(found)}
        return {"marketingEngagement": shown, "userErrors": []}

    def delete(self, args: Given) -> dict[str, Any]:
        found = self._find(args)
        if found is None:
            message = "Marketing activity does not exist."
            error = {"field": None, "message": message, "code": "MARKETING_ACTIVITY_DOES_NOT_EXIST"}
            return {"deletedMarketingActivityId": None, "userErrors": [error]}
        del self.activities[found.given["remoteId"]]
        return {"deletedMarketingActivityId": found.gid, "userErrors": []}

    def page(self, args: Given) -> Connection:
        remote, ids = set(args.get("remoteIds") or ()), set(args.get("marketingActivityIds") or ())
        found = [
            self.shown(each)
            for each in self.activities.values()
            if (not remote or each.given["remoteId"] in remote) and (not ids or each.gid in ids)
        ]
        return page_of(found, args)

    def get(self, gid: str) -> dict[str, Any] | None:
        return next((self.shown(each) for each in self.activities.values() if each.gid == gid), None)

    def shown(self, activity: Activity) -> dict[str, Any]:
        given = activity.given
        utm = given.get("utm")
        kind, tactic = given["marketingChannelType"], given["tactic"]
        return {
            "__typename": "MarketingActivity",
            "id": activity.gid,
            "title": given["title"],
            "app": self.app(),
            "status": given["status"],
            "statusLabel": given["status"].replace("_", " ").capitalize(),
            "statusBadgeTypeV2": "SUCCESS" if given["status"] == "ACTIVE" else "DEFAULT",
            "targetStatus": None,
            "tactic": tactic,
            "marketingChannel": kind,
            "marketingChannelType": kind,
            "sourceAndMedium": f"{self.app()['title']} {tactic.lower()}",
            "isExternal": True,
            "inMainWorkflowVersion": True,
            "createdAt": iso(activity.created),
            "updatedAt": iso(activity.updated),
            "utmParameters": utm and {**utm, "content": None, "term": None},
            "urlParameterValue": given.get("urlParameterValue"),
            "hierarchyLevel": given.get("hierarchyLevel"),
            "parentRemoteId": given.get("parentRemoteId"),
            "parentActivityId": None,
            "formData": None,
            "activityListUrl": None,
            "adSpend": given.get("adSpend"),
            "marketingEvent": {
                "__typename": "MarketingEvent",
                "id": f"gid://shopify/MarketingEvent/{activity.number}",
                "legacyResourceId": str(activity.number),
                "remoteId": given["remoteId"],
                "startedAt": given.get("start") or iso(activity.created),
                "endedAt": given.get("end"),
                "manageUrl": given["remoteUrl"],
                "type": tactic,
            },
        }

    def state(self) -> list[dict[str, Any]]:
        return [
            {
                "kind": "marketing_activity",
                "key": remote_id,
                "id": remote_id,
                "title": each.given["title"],
                "status": each.given["status"],
                "engagements": {
                    day: {name: value for name, value in numbers.items() if value is not None}
                    for day, numbers in sorted(each.engagements.items())
                },
            }
            for remote_id, each in sorted(self.activities.items())
        ]

    def _find(self, args: Given) -> Activity | None:
        if remote_id := args.get("remoteId"):
            return self.activities.get(remote_id)
        gid = args.get("marketingActivityId")
        return next((each for each in self.activities.values() if each.gid == gid), None)

    def _problem(self, given: Given, found: Activity | None) -> tuple[str, str] | None:
        if urlsplit(str(given["remoteUrl"])).scheme not in ("http", "https"):
            return "Remote URL is invalid", "INVALID"
        if not given["title"].strip():
            return "Title can't be blank", "INVALID"
        if found is not None:
            changed = (
                code for name, code in FIXED.items() if given.get(name, found.given.get(name)) != found.given.get(name)
            )
            code = next(changed, None)
            return (
                None
                if code is None
                else (
                    f"{code.removeprefix('IMMUTABLE_').replace('_', ' ').capitalize()} cannot be changed.",
                    code,
                )
            )
        utm, parameter = given.get("utm"), given.get("urlParameterValue")
        if given.get("hierarchyLevel") is None and not utm and not parameter:
            message = "Non-hierarchical marketing activities must have UTM parameters or a URL parameter value."
            return message, "NON_HIERARCHIAL_REQUIRES_UTM_URL_PARAMETER"
        for other in self.activities.values():
            if utm and (other.given.get("utm") or {}).get("campaign") == utm["campaign"]:
                message = "A marketing activity with this UTM campaign already exists."
                return message, "MARKETING_ACTIVITY_WITH_UTM_CAMPAIGN_ALREADY_EXISTS"
            if parameter and other.given.get("urlParameterValue") == parameter:
                message = "A marketing activity with this URL parameter value already exists."
                return message, "MARKETING_ACTIVITY_WITH_URL_PARAMETER_VALUE_ALREADY_EXISTS"
        return None


def _not_engaged(message: str, code: str) -> dict[str, Any]:
    error = {"field": None, "message": message, "code": code}
    return {"marketingEngagement": None, "userErrors": [error]}
