"""Operations: work that is asked for now and done by the worker, with its input and its errors."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from app.db.tables.columns import json, revision


class Operation(SQLModel, table=True):
    """An import: who asked for it, and how far it has come.

    The row is the queue: it is claimed by an advisory lock, which ends with its worker's
    connection. `faults` counts all that were found, of which the first are kept. `problem` is the
    code and the parameters of what made it fail. `attempts` have passed since it last got on.
    """

    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name="state"),
        CheckConstraint("read = accepted + replayed + rejected", name="read"),
        CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="ended"),
        CheckConstraint("(state = 'failed') = (problem IS NOT NULL)", name="failed"),
        Index(
            "operation_request_key",
            "owner",
            "request_key",
            unique=True,
            postgresql_where=text("request_key IS NOT NULL"),
        ),
        Index(
            "operation_queue_idx",
            "created_at",
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        Index("operation_created_idx", "created_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    form: str
    dry_run: bool
    owner: str
    key_hash: bytes | None = Field(sa_type=LargeBinary, nullable=True)
    agencies: list[str] | None = Field(sa_type=ARRAY(Text), nullable=True)
    request_key: str | None
    digest: bytes = Field(sa_type=LargeBinary)
    state: str = "queued"
    total_bytes: int = Field(sa_type=BigInteger)
    done_bytes: int = Field(default=0, sa_type=BigInteger)
    read: int = Field(default=0, sa_type=BigInteger)
    accepted: int = Field(default=0, sa_type=BigInteger)
    replayed: int = Field(default=0, sa_type=BigInteger)
    rejected: int = Field(default=0, sa_type=BigInteger)
    faults: int = Field(default=0, sa_type=BigInteger)
    problem: dict[str, Any] | None = Field(
        default=None, sa_type=JSONB(none_as_null=True), nullable=True
    )
    attempts: int = 0
    created_at: datetime
    started_at: datetime | None = None
    saved_at: datetime
    finished_at: datetime | None = None
    revision: int = revision()


class OperationChunk(SQLModel, table=True):
    """A part of an operation's input, as it came.

    It is stored while the input comes in, before there is an operation to belong to.
    """

    __tablename__: ClassVar[str] = "operation_chunk"
    __table_args__ = (Index("operation_chunk_received_idx", "received_at"),)

    operation_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    data: bytes = Field(sa_type=LargeBinary)
    received_at: datetime


class OperationError(SQLModel, table=True):
    """A fault of a row: the code and the parameters of its text, which is made when it is read."""

    __tablename__: ClassVar[str] = "operation_error"

    operation_id: UUID = Field(foreign_key="operation.id", primary_key=True, ondelete="CASCADE")
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    line: int = Field(sa_type=BigInteger)
    pointer: str
    code: str
    params: dict[str, Any] = json()
