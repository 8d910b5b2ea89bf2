"""People, and the log of what happened to them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shopchimp.db.models.base import Base, JsonObject


class Person(Base):
    """Our row that joins a customer and a contact: what we last saw on both sides."""

    __tablename__ = "people"
    __table_args__ = (
        Index("uq_people_shop_id_key", "shop_id", "key", unique=True),
        Index("ix_people_shop_id_customer_id", "shop_id", "customer_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Text(collation="C"))
    email: Mapped[str | None]
    name: Mapped[str]
    customer_id: Mapped[int | None]
    contact_id: Mapped[str | None]
    customer_state: Mapped[str]
    customer_at: Mapped[datetime | None]
    contact_status: Mapped[str]
    contact_opted_at: Mapped[datetime | None]
    contact_changed_at: Mapped[datetime | None]
    rule: Mapped[str]
    result: Mapped[str]
    reason: Mapped[str | None]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    synced_at: Mapped[datetime | None]
    # what is remembered beside the two states (domain.outcomes.Known), and what we were about to write (Intent)
    deleted: Mapped[bool] = mapped_column(server_default=text("false"))
    refused_at: Mapped[datetime | None]
    opted_out_at: Mapped[datetime | None]  # a webhook's own time of an opt-out
    our_opt_out_at: Mapped[datetime | None]  # when we unsubscribed the contact: its webhook is our echo
    came_back_at: Mapped[datetime | None]  # the contact's last opt-in that was surely made in Mailchimp
    dropped: Mapped[JsonObject | None]  # the pair of choices whose opt-in the merchant dropped
    intent: Mapped[JsonObject | None]
    # what both sides agreed on last: merge values by tag, the customer's tags, the phone's consent
    fields: Mapped[JsonObject | None]
    tags: Mapped[list[str] | None] = mapped_column(JSONB)
    sms: Mapped[JsonObject | None]


class Activity(Base):
    """One line of the activity log: what happened to whom, in which direction, by which rule, with what result."""

    __tablename__ = "activities"
    __table_args__ = (
        Index("ix_activities_shop_id_id", "shop_id", "id"),
        Index("ix_activities_person_id_id", "person_id", "id", postgresql_where=text("person_id IS NOT NULL")),
        Index(
            "ix_activities_shop_id_result_id", "shop_id", "result", "id", postgresql_where=text("result <> 'synced'")
        ),
        Index("ix_activities_shop_id_kind_id", "shop_id", "kind", "id", postgresql_where=text("kind <> 'contact'")),
        Index(
            "ix_activities_order", "shop_id", text("(detail ->> 'id')"), "id", postgresql_where=text("kind = 'order'")
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    person_id: Mapped[int | None]
    run_id: Mapped[UUID | None]
    kind: Mapped[str]
    direction: Mapped[str]
    result: Mapped[str]
    rule: Mapped[str | None]
    cause: Mapped[str | None]
    detail: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
