"""What callers have had of their quotas."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel


class QuotaWindow(SQLModel, table=True):
    """How much of a caller's quota in a window the processes have taken, to give it out.

    `caller` is a keyed hash: neither a credential nor an address can be read from it. The table is
    not logged: after a crash it is empty, and every quota begins anew.
    """

    __tablename__: ClassVar[str] = "quota_window"
    # It is written all the time and small: with room in its pages no index needs to be.
    __table_args__ = {"prefixes": ["UNLOGGED"], "postgresql_with": {"fillfactor": 50}}

    # Before the caller, so that the oldest windows are found by the key.
    began: datetime = Field(primary_key=True)
    caller: bytes = Field(sa_type=LargeBinary, primary_key=True)
    taken: int
    granted: int = Field(description="Of that, what was taken last")
