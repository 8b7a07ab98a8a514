"""Create the FAQ entries.

Revision ID: faq_0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "faq_0001"
down_revision = None
branch_labels = ("faq",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "faq_entries",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("question", sa.String(500), nullable=False),
        sa.Column("question_key", sa.String(1000), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("hit_count", sa.Integer(), nullable=False),
        sa.Column("last_hit_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_faq_entries"),
        sa.UniqueConstraint("question_key", "language", name="uq_faq_entries_question_key_language"),
    )
    op.create_index("ix_faq_entries_created_at_id", "faq_entries", ["created_at", "id"])


def downgrade() -> None:
    op.drop_table("faq_entries")
