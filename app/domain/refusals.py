"""Gathering refusals, so that a caller is told of all of them at once."""

from app.domain.errors import DomainError


class Refusals:
    """Gathers refusals of several checks, so that the caller is told all of them at once.

    Each check runs under `with refusals:`; `raise_all` then raises the first, with every fault.
    """

    def __init__(self) -> None:
        self._found: list[DomainError] = []

    def __enter__(self) -> None:
        """Run one check."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, DomainError):
            self.add(error)
            return True
        return False

    def add(self, error: DomainError) -> None:
        """Gather a refusal that a check has returned."""
        self._found.append(error)

    @property
    def any(self) -> bool:
        """Whether a check refused."""
        return bool(self._found)

    def all(self) -> DomainError:
        """The first refusal, with the faults of all."""
        faults = [fault for error in self._found for fault in error.faults]
        return type(self._found[0])(*faults)

    def raise_all(self) -> None:
        """Nothing when no check refused."""
        if self.any:
            raise self.all()
