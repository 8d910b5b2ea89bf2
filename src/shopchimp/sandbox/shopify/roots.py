"""The root fields of the API: one small function each, from a call and its arguments to an answer.

A later issue adds its queries and mutations here (or in a module beside, with the same `root` decorator).
"""

from collections.abc import Callable
from typing import Any, Final

from graphql import GraphQLError

from shopchimp.sandbox.shopify import about, commerce_roots, consent, customers, event_roots
from shopchimp.sandbox.shopify.bulk import Source
from shopchimp.sandbox.shopify.bulk_query import BulkPlan, BulkQueryError
from shopchimp.sandbox.shopify.call import Arguments, Call
from shopchimp.sandbox.shopify.listing import count_customers, list_customers, rows_of_customers
from shopchimp.sandbox.shopify.paging import Connection, page_of
from shopchimp.sandbox.shopify.search import exact_filter, parse
from shopchimp.sandbox.shopify.store import Customer

Root = Callable[[Call, Arguments], Any]
MOST_IDS: Final = 250
ROOTS: Final[dict[tuple[str, str], Root]] = {}


def root(type_name: str, name: str, scope: str | None = None) -> Callable[[Root], Root]:
    def register(resolve: Root) -> Root:
        def checked(call: Call, args: Arguments) -> Any:
            if scope is not None:
                call.require(name, scope)
            return resolve(call, args)

        ROOTS[type_name, name] = checked
        return resolve

    return register


def query(name: str, scope: str | None = None) -> Callable[[Root], Root]:
    return root("QueryRoot", name, scope)


def mutation(name: str, scope: str | None = None) -> Callable[[Root], Root]:
    return root("Mutation", name, scope)


# ---- shop and installation


@query("shop")
def _shop(call: Call, _: Arguments) -> Any:
    return about.shop(call.shop)


@query("currentAppInstallation")
def _installation(call: Call, _: Arguments) -> Any:
    return about.installation(call.shop, call.scopes)


@query("publicApiVersions")
def _versions(_: Call, __: Arguments) -> Any:
    return about.api_versions()


@mutation("appUninstall")
def _uninstall(call: Call, _: Arguments) -> Any:
    call.shop.uninstall()
    return {"app": about.app(call.shop), "userErrors": []}


# ---- customers


@query("customers", "read_customers")
def _customers(call: Call, args: Arguments) -> Connection:
    return list_customers(call.shop.customers, args)


@query("customersCount", "read_customers")
def _customers_count(call: Call, args: Arguments) -> Any:
    return count_customers(call.shop.customers, args)


@query("customer", "read_customers")
def _customer(call: Call, args: Arguments) -> Customer | None:
    return call.shop.customers.get(args["id"])


@query("customerByIdentifier", "read_customers")
def _customer_by_identifier(call: Call, args: Arguments) -> Customer | None:
    return customers.by_identifier(call.shop.customers, args["identifier"])


@mutation("customerCreate", "write_customers")
def _create(call: Call, args: Arguments) -> Any:
    return customers.create(call.shop.customers, args["input"])


@mutation("customerUpdate", "write_customers")
def _update(call: Call, args: Arguments) -> Any:
    return customers.update(call.shop.customers, args["input"])


@mutation("customerSet", "write_customers")
def _set(call: Call, args: Arguments) -> Any:
    return customers.upsert(call.shop.customers, args.get("identifier"), args["input"])


@mutation("customerDelete", "write_customers")
def _delete(call: Call, args: Arguments) -> Any:
    return {**customers.delete(call.shop.customers, args["input"]["id"]), "shop": about.shop(call.shop)}


@mutation("customerAddressCreate", "write_customers")
def _add_address(call: Call, args: Arguments) -> Any:
    default = bool(args.get("setAsDefault"))
    return customers.add_address(call.shop.customers, args["customerId"], args["address"], default=default)


@mutation("customerEmailMarketingConsentUpdate", "write_customers")
def _email_consent(call: Call, args: Arguments) -> Any:
    return consent.update_email_consent(call.shop.customers, args["input"])


@mutation("customerSmsMarketingConsentUpdate", "write_customers")
def _sms_consent(call: Call, args: Arguments) -> Any:
    return consent.update_sms_consent(call.shop.customers, args["input"])


@mutation("tagsAdd", "write_customers")
def _add_tags(call: Call, args: Arguments) -> Any:
    return customers.add_tags(call.shop.customers, args["id"], args["tags"])


@mutation("tagsRemove", "write_customers")
def _remove_tags(call: Call, args: Arguments) -> Any:
    return customers.remove_tags(call.shop.customers, args["id"], args["tags"])


# ---- products, orders, checkouts, discounts


for _name, (_scope, _resolve) in commerce_roots.QUERIES.items():
    query(_name, _scope)(_resolve)


# ---- web pixel, metafields, segments, marketing activities


for _name, (_scope, _resolve) in event_roots.QUERIES.items():
    query(_name, _scope)(_resolve)
for _name, (_scope, _resolve) in event_roots.MUTATIONS.items():
    mutation(_name, _scope)(_resolve)


# ---- any object by its id


@query("node")
def _node(call: Call, args: Arguments) -> Any:
    return _object(call, args["id"])


@query("nodes")
def _nodes(call: Call, args: Arguments) -> list[Any]:
    """Its cost is that of one object whatever the number of ids (shopify.md section 5): a list, not a connection."""
    if len(args["ids"]) > MOST_IDS:
        message = f"The input array size of {len(args['ids'])} is greater than the maximum allowed of {MOST_IDS}."
        raise GraphQLError(message, extensions={"code": "MAX_INPUT_SIZE_EXCEEDED"})
    return [_object(call, gid) for gid in args["ids"]]


def _object(call: Call, gid: str) -> Any:
    if "/Customer/" in gid:
        call.require("node", "read_customers")
        return call.shop.customers.get(gid)
    for part, (scope, find) in commerce_roots.NODES.items():
        if part in gid:
            call.require("node", scope)
            return find(call, {"id": gid})
    if "/BulkOperation/" in gid:
        return _bulk_operation(call, {"id": gid})
    return call.shop.webhooks.get(gid)


# ---- bulk operations


@query("bulkOperation")
def _bulk_operation(call: Call, args: Arguments) -> Any:
    found = call.shop.bulk.get(args["id"])
    return None if found is None else found.shown(call.base_url)


@query("currentBulkOperation")
def _current_bulk_operation(call: Call, _: Arguments) -> Any:
    found = call.shop.bulk.all()
    return found[-1].shown(call.base_url) if found else None


@query("bulkOperations")
def _bulk_operations(call: Call, args: Arguments) -> Connection:
    filters = {
        "status": exact_filter(lambda each: each["status"]),
        "operation_type": exact_filter(lambda each: each["type"]),
        "id": exact_filter(lambda each: each["id"].rpartition("/")[2]),
    }
    shown = [each.shown(call.base_url) for each in call.shop.bulk.all()]
    return page_of(shown, args, parse(args.get("query"), filters).matches)


@mutation("bulkOperationRunQuery")
def _run_bulk_query(call: Call, args: Arguments) -> Any:
    grouped = bool(args.get("groupObjects"))
    return call.shop.bulk.run_query(
        args["query"], lambda plan: _bulk_source(call, plan), call.base_url, grouped=grouped
    )


@mutation("bulkOperationCancel")
def _cancel_bulk(call: Call, args: Arguments) -> Any:
    return call.shop.bulk.cancel(args["id"], call.base_url)


def _bulk_source(call: Call, plan: BulkPlan) -> Source:
    if plan.name == "customers":
        call.require(plan.name, "read_customers")
        return rows_of_customers(call.shop.customers, plan.arguments)
    if plan.name in commerce_roots.QUERIES:
        call.require(plan.name, commerce_roots.QUERIES[plan.name][0])
    source = commerce_roots.bulk_source(call, plan)
    if source is None:
        raise BulkQueryError(f"The sandbox has no bulk operation of {plan.name} yet")
    return source


# ---- webhook subscriptions


@query("webhookSubscriptions")
def _webhooks(call: Call, args: Arguments) -> Connection:
    topics, uri = args.get("topics"), args.get("uri") or args.get("callbackUrl")
    return page_of(
        list(call.shop.webhooks.by_number.values()),
        args,
        lambda each: (not topics or each["topic"] in topics) and (not uri or each["uri"] == uri),
    )


@query("webhookSubscription")
def _webhook(call: Call, args: Arguments) -> Any:
    return call.shop.webhooks.get(args["id"])


@mutation("webhookSubscriptionCreate")
def _create_webhook(call: Call, args: Arguments) -> Any:
    now = call.shop.customers.now()
    return call.shop.webhooks.create(args["topic"], args["webhookSubscription"], now=now, scopes=call.scopes)


@mutation("webhookSubscriptionUpdate")
def _update_webhook(call: Call, args: Arguments) -> Any:
    now = call.shop.customers.now()
    return call.shop.webhooks.update(args["id"], args["webhookSubscription"], now=now)


@mutation("webhookSubscriptionDelete")
def _delete_webhook(call: Call, args: Arguments) -> Any:
    return call.shop.webhooks.delete(args["id"])
