"""commerce

Revision: 9c41d7e2a6b0, after 4328f155917d
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "9c41d7e2a6b0"
down_revision = "4328f155917d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "commerce_items",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("digest", postgresql.BYTEA(), nullable=True),
        sa.Column("parent", sa.Text(collation="C"), nullable=True),
        sa.Column("key", sa.Text(collation="C"), nullable=True),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("shown", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_run", sa.Uuid(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "kind", "id", name=op.f("pk_commerce_items")),
    )
    op.create_index(
        "ix_commerce_items_key",
        "commerce_items",
        ["shop_id", "key", "kind"],
        unique=False,
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.create_index(
        "ix_commerce_items_customer_id",
        "commerce_items",
        ["shop_id", "customer_id"],
        unique=False,
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.create_index(
        "ix_commerce_items_parent",
        "commerce_items",
        ["shop_id", "kind", "parent"],
        unique=False,
        postgresql_where=sa.text("parent IS NOT NULL"),
    )
    op.create_index(
        "ix_commerce_items_state", "commerce_items", ["shop_id", "kind", "state", "reason", "id"], unique=False
    )
    op.create_index(
        "ix_commerce_items_number",
        "commerce_items",
        ["shop_id", sa.text("(shown ->> 'number')")],
        unique=False,
        postgresql_where=sa.text("kind = 'order'"),
    )
    op.create_index(
        "ix_activities_order",
        "activities",
        ["shop_id", sa.text("(detail ->> 'id')"), "id"],
        unique=False,
        postgresql_where=sa.text("kind = 'order'"),
    )
    op.create_table(
        "checkouts",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.Text(collation="C"), nullable=False),
        sa.Column("cart_token", sa.Text(collation="C"), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ordered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "token", name=op.f("pk_checkouts")),
    )
    op.create_index("ix_checkouts_shop_id_cart_token", "checkouts", ["shop_id", "cart_token"], unique=False)
    op.create_index("ix_checkouts_seen_at", "checkouts", ["seen_at"], unique=False)
    op.create_index("ix_checkouts_node_id", "checkouts", ["shop_id", sa.text("(node ->> 'id')")], unique=False)
    op.create_table(
        "commerce_nodes",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gid", sa.Text(collation="C"), nullable=False),
        sa.Column("node", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "kind", "n", name=op.f("pk_commerce_nodes")),
    )
    op.create_table(
        "promo_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column(
            "cursor", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("trouble", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("token", sa.Uuid(), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
        sa.Column(
            "nudged", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_promo_runs_shop_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promo_runs")),
    )
    op.create_index("ix_promo_runs_shop_id_started_at", "promo_runs", ["shop_id", "started_at"], unique=False)
    op.create_index(
        "uq_promo_runs_running",
        "promo_runs",
        ["shop_id"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.add_column("connections", sa.Column("store_id", sa.Text(), nullable=True))
    op.add_column(
        "connections", sa.Column("store_syncing", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("connections", sa.Column("commerce_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("shops", sa.Column("storefront_url", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("shops", "storefront_url")
    op.drop_column("connections", "commerce_since")
    op.drop_column("connections", "store_syncing")
    op.drop_column("connections", "store_id")
    op.drop_index("uq_promo_runs_running", table_name="promo_runs", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("ix_promo_runs_shop_id_started_at", table_name="promo_runs")
    op.drop_table("promo_runs")
    op.drop_table("commerce_nodes")
    op.drop_index("ix_checkouts_node_id", table_name="checkouts")
    op.drop_index("ix_checkouts_seen_at", table_name="checkouts")
    op.drop_index("ix_checkouts_shop_id_cart_token", table_name="checkouts")
    op.drop_table("checkouts")
    op.drop_index("ix_activities_order", table_name="activities", postgresql_where=sa.text("kind = 'order'"))
    op.drop_index("ix_commerce_items_number", table_name="commerce_items", postgresql_where=sa.text("kind = 'order'"))
    op.drop_index("ix_commerce_items_state", table_name="commerce_items")
    op.drop_index(
        "ix_commerce_items_parent", table_name="commerce_items", postgresql_where=sa.text("parent IS NOT NULL")
    )
    op.drop_index(
        "ix_commerce_items_customer_id",
        table_name="commerce_items",
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.drop_index("ix_commerce_items_key", table_name="commerce_items", postgresql_where=sa.text("key IS NOT NULL"))
    op.drop_table("commerce_items")
