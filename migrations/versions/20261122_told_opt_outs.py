"""told opt outs

All that were told, not the latest alone: that may be our own unsubscribe, and the person's was a moment before.

Revision: e2f4a6c81b35, after b7e3d5a91c64
"""

from __future__ import annotations

from alembic import op

revision = "e2f4a6c81b35"
down_revision = "b7e3d5a91c64"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "alter table changes alter opted_out_at type timestamptz[]"
        " using case when opted_out_at is not null then array[opted_out_at] end"
    )
    op.execute("alter table changes rename opted_out_at to opted_outs")


def downgrade() -> None:
    op.execute("alter table changes rename opted_outs to opted_out_at")
    op.execute("alter table changes alter opted_out_at type timestamptz using opted_out_at[1]")
