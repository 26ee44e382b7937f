"""A column of a table of rows: what it is called, what it holds, and how it is explained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MANY = ".*"


class Holds(StrEnum):
    """What stands in a column."""

    CODE = "code"
    REFERENCE = "reference"  # a code that leads to a person's affair
    ROW_ID = "row id"
    TEXT = "text"
    COUNT = "count"
    PRINTED = "printed"
    INSTANT = "instant"
    ANSWERED = "answered"  # an instant whose day may be all that is known
    DEADLINE = "deadline"
    PERIOD = "period"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, which is the field's, and what a person needs to know to fill it in.

    `heading` and `explained` are in Vietnamese and English. Of a column that is there for each
    question at least one must be there if it is `required`. `choices` are the values that may stand
    there, each with its Vietnamese word, which is understood too. `event` is the type of the event
    that an instant in this column records.
    """

    name: str
    holds: Holds
    heading: tuple[str, str]
    explained: tuple[str, str]
    example: str = ""
    required: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)
    event: str = ""

    @property
    def many(self) -> bool:
        """Whether it stands for a column of each question."""
        return self.name.endswith(MANY)

    @property
    def stem(self) -> str:
        """The name without what stands for the questions."""
        return self.name.removesuffix(MANY)


MOMENT = (
    " Ghi ngày và giờ Việt Nam, ví dụ 18/07/2023 09:31; không ghi giờ thì hiểu là đầu ngày.",
    " Day and time in Vietnam, such as 18/07/2023 09:31; without a time, the day's beginning.",
)


def event(name: str, heading: tuple[str, str], event: str, example: str) -> Column:
    """A column of instants at which an event of this type happened."""
    said = (
        "Sự kiện của hồ sơ; để trống nếu chưa xảy ra." + MOMENT[0],
        "An event of the dossier; empty if it did not happen." + MOMENT[1],
    )
    return Column(name, Holds.INSTANT, heading, said, example, event=event)


def code(name: str, heading: tuple[str, str], said: tuple[str, str], example: str) -> Column:
    """A required column of codes."""
    return Column(name, Holds.CODE, heading, said, example, required=True)


def reference(
    name: str,
    heading: tuple[str, str],
    said: tuple[str, str],
    example: str,
    *,
    required: bool = False,
) -> Column:
    """A column of codes that lead to a person's affair."""
    return Column(name, Holds.REFERENCE, heading, said, example, required=required)


def count(
    name: str,
    heading: tuple[str, str],
    said: tuple[str, str],
    example: str,
    *,
    required: bool = False,
) -> Column:
    """A column of whole numbers."""
    return Column(name, Holds.COUNT, heading, said, example, required=required)


def text(name: str, heading: tuple[str, str], said: tuple[str, str], example: str = "") -> Column:
    """A column of texts."""
    return Column(name, Holds.TEXT, heading, said, example, required=name.endswith(".vi"))
