"""Arithmetic of paper tally sheets. Flaws are flagged and never silently repaired."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain.errors import Fault, InvalidError, SheetDoesNotAddUpError
from app.domain.figure import Finding
from app.domain.questionnaire import Questionnaire
from app.domain.tally import FORM

Counts = Mapping[str, Mapping[str, int]]  # question -> option -> how many forms ticked it


@dataclass(frozen=True, slots=True)
class CheckedSheet:
    """A sheet whose every flaw was accepted: its cells as counted, and what must stay visible."""

    cells: Mapping[tuple[int, int], int]
    findings: tuple[Finding, ...]


def check(
    questionnaire: Questionnaire, forms: int, counts: Counts, accepted: Mapping[str, str]
) -> CheckedSheet:
    """The sheet's cells and findings.

    `accepted` gives a reason for the flaw at a pointer. Raises InvalidError for questions and
    options that are not on the form, SheetDoesNotAddUpError for flaws that nobody accepted.
    """
    findings = list(_findings(questionnaire, forms, counts, accepted))
    flaws = {f"/counts/{f.question}": f for f in findings if f.code == "more-answers-than-forms"}
    unaccepted = [
        Fault(pointer, finding.code, finding.params)
        for pointer, finding in flaws.items()
        if pointer not in accepted
    ]
    idle = [
        Fault(f"/accept/{place}/pointer", "nothing-to-accept", {"at": pointer})
        for place, pointer in enumerate(accepted)
        if pointer not in flaws
    ]
    unknown = list(_unknown(questionnaire, counts))
    if unknown or idle:
        raise InvalidError(*unknown, *unaccepted, *idle)
    if unaccepted:
        raise SheetDoesNotAddUpError(*unaccepted)
    return CheckedSheet(_cells(questionnaire, forms, counts), tuple(findings))


def _unknown(questionnaire: Questionnaire, counts: Counts) -> Iterator[Fault]:
    known = {q.code: {option.code for option in q.options} for q in questionnaire.questions}
    for question, options in counts.items():
        if question not in known:
            yield Fault(f"/counts/{question}", "unknown-question")
            continue
        for option in options:
            if option not in known[question]:
                yield Fault(f"/counts/{question}/{option}", "unknown-option")


def _findings(
    questionnaire: Questionnaire, forms: int, counts: Counts, accepted: Mapping[str, str]
) -> Iterator[Finding]:
    for question in questionnaire.questions:
        answers = sum(counts.get(question.code, {}).values())
        if answers == forms:
            continue
        code = "more-answers-than-forms" if answers > forms else "unanswered"
        yield Finding(
            code,
            {"question": question.code, "answers": answers, "forms": forms},
            accepted.get(f"/counts/{question.code}"),
            question=question.code,
        )


def _cells(
    questionnaire: Questionnaire, forms: int, counts: Counts
) -> Mapping[tuple[int, int], int]:
    cells = {
        (q, o): counts.get(question.code, {}).get(option.code, 0)
        for q, question in enumerate(questionnaire.questions, 1)
        for o, option in enumerate(question.options, 1)
    }
    return {cell: n for cell, n in (cells | {FORM: forms}).items() if n}
