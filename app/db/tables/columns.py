"""How columns that recur are declared, and how constraints are named."""

from typing import Any

from sqlalchemy import Identity
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
