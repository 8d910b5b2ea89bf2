"""Cut Mailchimp's API description down to the requests that the sandbox checks, and write it beside the sandbox.

    python scripts/prune_mailchimp_schema.py ../shared/contracts/mailchimp

Kept of each operation: the names, types and limits of its query and of its body. Nothing of answers, no prose.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).parent.parent / "src/shopchimp/sandbox/mailchimp/described.json"
PATHS = ("/ecommerce", "/batches", "/connected-sites")
_MEMBER = "/lists/{list_id}/members/{subscriber_hash}"
_REPORT = "/reports/{campaign_id}"
OTHERS = {  # besides whatever is below those paths
    f"GET {_MEMBER}/events",
    f"POST {_MEMBER}/events",
    f"GET {_MEMBER}/activity",
    f"GET {_MEMBER}/activity-feed",
    "GET /campaigns",
    "GET /campaigns/{campaign_id}",
    "GET /reports",
    f"GET {_REPORT}",
    f"GET {_REPORT}/sent-to",
    f"GET {_REPORT}/sent-to/{{subscriber_hash}}",
    f"GET {_REPORT}/email-activity",
    f"GET {_REPORT}/email-activity/{{subscriber_hash}}",
    f"GET {_REPORT}/open-details",
    f"GET {_REPORT}/open-details/{{subscriber_hash}}",
    f"GET {_REPORT}/click-details",
    f"GET {_REPORT}/click-details/{{link_id}}",
    f"GET {_REPORT}/click-details/{{link_id}}/members",
    f"GET {_REPORT}/unsubscribed",
    "GET /sms-campaigns",
    "GET /sms-campaigns/{sms_campaign_id}",
}
KEPT = ("type", "format", "enum", "required", "maxLength", "minLength", "maxItems", "minItems", "x-maxBytes")


def main() -> None:
    with gzip.open(Path(sys.argv[1]) / "marketing-3.0.json.gz", "rt", encoding="utf-8") as file:
        made = text_of(prune(json.load(file)))
    OUTPUT.write_text(made, encoding="utf-8")
    print(f"{made.count(chr(10))} operations, {len(made) // 1000} kB")


def prune(whole: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for path, operations in whole["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            if path.startswith(PATHS) or name in OTHERS:
                found[name] = requests(operation.get("parameters", []))
    return found


def requests(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {"query": {each["name"]: shrink(each) for each in parameters if each["in"] == "query"}}
    body = next((each for each in parameters if each["in"] == "body"), None)
    return {**made, "body": shrink(body["schema"])} if body else made


def shrink(schema: dict[str, Any]) -> dict[str, Any]:
    made = {name: schema[name] for name in KEPT if name in schema and schema[name] is not False}
    if "items" in schema:
        made["items"] = shrink(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        made["additionalProperties"] = shrink(schema["additionalProperties"])
    if "properties" in schema:
        made["properties"] = {name: shrink(each) for name, each in schema["properties"].items()}
    return made


def text_of(operations: dict[str, Any]) -> str:
    lines = [f"{json.dumps(name)}: {json.dumps(each, sort_keys=True)}" for name, each in sorted(operations.items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
