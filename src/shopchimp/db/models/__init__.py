"""The tables. Rows are read and written by the plain query functions beside this module.

What is written by the hundred thousand (a run's readings and plan, the log) has no foreign keys: each costs Postgres a
look-up per row, a sixth of the first sync as measured, and these rows are only ever written next to their run.

Names follow DESIGN.md section 2: a *person* joins a Shopify *customer* and a Mailchimp *contact*; a *sync run*
has a *plan*, one row per person, which is also the preview.
"""

from __future__ import annotations

from shopchimp.db.models.base import Base, JsonObject
from shopchimp.db.models.commerce import Checkout, CommerceItem, CommerceNode, PromoRun
from shopchimp.db.models.customer_events import (
    ActivityFact,
    Campaign,
    CustomerEvent,
    Engagement,
    EventCount,
    Pixel,
    Visitor,
)
from shopchimp.db.models.live import Breaker, Change, Chore, Delivery, Hook, Lane, Slot, SyncTime, Tally
from shopchimp.db.models.people import Activity, Person
from shopchimp.db.models.proofs import Audit, AuditRow, PrivacyRequest, Tombstone
from shopchimp.db.models.runs import PlanRow, RunChunk, RunContact, RunCustomer, RunException, SyncRun
from shopchimp.db.models.shops import ApiKey, Connection, OAuthState, Shop, Worker

__all__ = [
    "Activity",
    "ActivityFact",
    "ApiKey",
    "Audit",
    "AuditRow",
    "Base",
    "Breaker",
    "Campaign",
    "Change",
    "Checkout",
    "Chore",
    "CommerceItem",
    "CommerceNode",
    "Connection",
    "CustomerEvent",
    "Delivery",
    "Engagement",
    "EventCount",
    "Hook",
    "JsonObject",
    "Lane",
    "OAuthState",
    "Person",
    "Pixel",
    "PlanRow",
    "PrivacyRequest",
    "PromoRun",
    "RunChunk",
    "RunContact",
    "RunCustomer",
    "RunException",
    "Shop",
    "Slot",
    "SyncRun",
    "SyncTime",
    "Tally",
    "Tombstone",
    "Visitor",
    "Worker",
]
