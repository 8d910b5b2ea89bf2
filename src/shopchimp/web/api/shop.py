"""The shop by API: status, connecting, the audience, settings, disconnecting."""

from __future__ import annotations

from fastapi import APIRouter, Request

from shopchimp.services import connection, overview, settings
from shopchimp.services.commerce import reach
from shopchimp.web import deps
from shopchimp.web.api import models
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1", tags=["shop"])


@router.get("/status", operation_id="getStatus")
def status(request: Request, visitor: ApiVisitor) -> models.Status:
    """How the shop stands."""
    found = overview.overview(deps.database(request), visitor.shop_id)
    return models.Status(
        shop=models.Shop(domain=found.domain, name=found.name, timezone=found.timezone),
        mailchimp=models.Mailchimp.model_validate(found.connection) if found.connection else None,
        setup_step=found.step,
        preview=models.RunSummary.model_validate(found.preview) if found.preview else None,
        sync_run=models.RunSummary.model_validate(found.run) if found.run else None,
        people=found.people,
        last_24_hours=found.day,
        order_history=reach.of_shop(deps.database(request), visitor.shop_id).history,
    )


@router.get("/audiences", operation_id="listAudiences")
def audiences(request: Request, visitor: ApiVisitor) -> models.Audiences:
    """The audiences of the connected account, as Mailchimp names them now."""
    _connected(request, visitor)
    found = connection.all_audiences(deps.gateways(request), visitor.shop_id)
    return models.Audiences(audiences=[models.Audience.model_validate(one) for one in found])


@router.post("/mailchimp/connect", operation_id="connectMailchimp")
def connect(request: Request, visitor: ApiVisitor) -> models.AuthorizeUrl:
    """Where the merchant logs in to Mailchimp and grants access. Good for ten minutes, once."""
    return models.AuthorizeUrl(authorize_url=connection.begin(deps.gateways(request), visitor.shop_id))


@router.post("/permissions/all-orders", operation_id="allowAllOrders")
def allow_all_orders(request: Request, visitor: ApiVisitor) -> models.AuthorizeUrl:
    """Where the merchant allows orders older than 60 days. Afterwards `checkPermissions`."""
    return models.AuthorizeUrl(authorize_url=reach.allow_url(deps.gateways(request), visitor.domain))


@router.post("/permissions/check", operation_id="checkPermissions")
def check_permissions(request: Request, visitor: ApiVisitor) -> models.Status:
    """Ask Shopify what is allowed by now."""
    reach.look_again(deps.gateways(request), visitor.shop_id)
    return status(request, visitor)


@router.put("/audience", operation_id="chooseAudience")
def choose_audience(request: Request, visitor: ApiVisitor, asked: models.ChooseAudience) -> models.Audience:
    """Sync the shop with this audience."""
    delete = asked.store_data == "delete"
    chosen = connection.choose_audience(deps.gateways(request), visitor.shop_id, asked.audience_id, delete_store=delete)
    return models.Audience.model_validate(chosen)


@router.get("/settings", operation_id="getSettings")
def show_settings(request: Request, visitor: ApiVisitor) -> models.Settings:
    """The shop's settings."""
    with deps.database(request).transaction() as tx:
        return models.Settings.model_validate(settings.get(tx, visitor.shop_id).to_json())


@router.patch("/settings", operation_id="changeSettings")
def change_settings(request: Request, visitor: ApiVisitor, asked: models.ChangeSettings) -> models.Settings:
    """Change the fields given and leave the others as they are."""
    changes = asked.model_dump(include=asked.model_fields_set)
    changed = settings.change(deps.database(request), visitor.shop_id, changes, by=visitor.user)
    return models.Settings.model_validate(changed.to_json())


@router.post("/disconnect", operation_id="disconnect")
def disconnect(request: Request, visitor: ApiVisitor, asked: models.Disconnect) -> models.Disconnected:
    """Stop all syncing and forget the Mailchimp account. Contacts and customers stay where they are.

    With `store_data` "delete" the store's orders, products, carts and promo codes are deleted in Mailchimp: revenue
    reports lose them and its e-commerce automations stop. With "keep" they stay as they are.
    """
    name, delete = asked.confirm_audience_name, asked.store_data == "delete"
    removed = connection.disconnect(deps.gateways(request), visitor.shop_id, confirm_name=name, delete_store=delete)
    return models.Disconnected(removed=removed)


def _connected(request: Request, visitor: ApiVisitor) -> None:
    if connection.status(deps.database(request), visitor.shop_id) is None:
        raise connection.ConnectRefused("not_connected", "Connect Mailchimp first.")
