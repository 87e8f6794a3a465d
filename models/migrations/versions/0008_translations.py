"""Announcements and incidents in every language, and not in French and English alone."""

import json

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Of each table the column that held the English, and its comment; then that of the new column.
ENGLISH = {
    "agent_queue": (
        "announcement_en",
        "the same for who speaks English",
        "JSON: the announcement by the code of another language",
    ),
    "incident": ("text_en", None, "JSON: the text by the code of another language"),
}
FRENCH = "in French, or a platform"


def upgrade() -> None:
    """Keep the French as it is, and the English as one of the translations."""
    for name, (column, _, comment) in ENGLISH.items():
        _add(name, "translations", "{}", comment)
        table = _table(name, column)
        for row_id, text in _rows(table, column):
            if text:
                _set(table, row_id, translations=json.dumps({"en": text}))
        op.drop_column(name, column)
    op.execute("ALTER TABLE incident RENAME COLUMN text_fr TO text")
    _comment(FRENCH, None)


def downgrade() -> None:
    """Keep only the English of the translations."""
    _comment(None, FRENCH)
    op.execute("ALTER TABLE incident RENAME COLUMN text TO text_fr")
    for name, (column, comment, _) in ENGLISH.items():
        _add(name, column, "", comment)
        table = _table(name, column)
        for row_id, translations in _rows(table, "translations"):
            _set(table, row_id, **{column: json.loads(translations).get("en", "")})
        op.drop_column(name, "translations")


def _comment(comment: str | None, existing: str | None) -> None:
    op.alter_column("incident", "text", comment=comment, existing_comment=existing)


def _add(name: str, column: str, default: str, comment: str | None) -> None:
    new = sa.Column(column, sa.Text(), server_default=default, nullable=False, comment=comment)
    op.add_column(name, new)


def _table(name: str, column: str) -> sa.TableClause:
    return sa.table(name, sa.column("id"), sa.column(column), sa.column("translations"))


def _rows(table: sa.TableClause, column: str) -> list[tuple[str, str]]:
    found = op.get_bind().execute(sa.select(table.c.id, table.c[column]))
    return [(row_id, text) for row_id, text in found]


def _set(table: sa.TableClause, row_id: str, **values: str) -> None:
    op.get_bind().execute(table.update().where(table.c.id == row_id).values(**values))
