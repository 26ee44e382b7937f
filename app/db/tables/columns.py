"""How columns that recur are declared, and how constraints are named."""

from typing import Any

from sqlalchemy import Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


def identity() -> Any:
    """A number that PostgreSQL gives."""
    return Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])


def json() -> Any:
    """A JSON document."""
    return Field(sa_type=JSONB)


def revision() -> Any:
    """How often the entry was written; the ETag of the catalogue."""
    return Field(default=1, sa_column_kwargs={"server_default": "1"})


def updated_at() -> Any:
    """When the row was last written, by the database's clock; a trigger keeps it."""
    return Field(default=None, nullable=False, sa_column_kwargs={"server_default": text("now()")})


def updates(table: str) -> Index:
    """What finds the rows of a table that were written lately, for next to nothing on writing."""
    return Index(
        f"{table}_updated_idx",
        "updated_at",
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )
