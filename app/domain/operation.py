"""Operations: files of rows that are taken in, what becomes of each row, and who may know."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import DomainError, Fault, NotFoundError


class Kind(StrEnum):
    """What the rows of a file are."""

    RATINGS = "ratings"
    DOSSIERS = "dossiers"
    TALLY_SHEETS = "tally-sheets"
    PUBLISHED_INDICES = "published-indices"

    @property
    def scope(self) -> str:
        """What a key must carry to import them: the same as to send each by itself."""
        return SCOPES[self]


SCOPES = {
    Kind.RATINGS: "ratings:write",
    Kind.DOSSIERS: "dossiers:write",
    Kind.TALLY_SHEETS: "ratings:write",
    Kind.PUBLISHED_INDICES: "catalogue:write",
}

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"

# An operation that gets nowhere so often is given up.
MOST_ATTEMPTS = 20


class OperationNotFoundError(NotFoundError):
    """There is no operation of this id that the caller may know of."""

    code = "operation-not-found"


class FileTypeError(DomainError):
    """What was sent is no file of rows, by its headers."""

    code = "unsupported-media-type"


# Why an operation fails whose file can be read.
NO_ROWS = Fault("", "file-without-rows")
INTERRUPTED = Fault("", "import-interrupted")
KEY_REVOKED = Fault("", "import-key-revoked")
TOO_MANY_ERRORS = Fault("", "too-many-errors")


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows were read, and what became of them; a row is one of the three."""

    accepted: int = 0
    replayed: int = 0
    rejected: int = 0

    @property
    def read(self) -> int:
        """All of them."""
        return self.accepted + self.replayed + self.rejected
