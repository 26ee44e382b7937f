"""Figures in their parts: by month, channel, counter and procedure, and what few people keep."""

import random
from collections import Counter
from fractions import Fraction
from itertools import product

import pytest
from factories import five_levels, option, questionnaire

from app.domain.figure import half_up

FORM = questionnaire(
    ("access", [five_levels("q1"), five_levels("q2", na=True)]),
    ("attitude", [five_levels("q3")]),
    ("general", [five_levels("q4")]),
    overall="q4",
    weights={"attitude": 2},
)
CRITERIA = {"access": ("q1", "q2"), "attitude": ("q3",)}
WEIGHTS = {"access": 1, "attitude": 2}
METHODS = (
    "top2-share@1",
    "overall-question@1",
    "mean-of-criteria@1",
    "mean-of-questions@1",
    "weighted-criteria@1",
    "mean-score@1",
    "share-of-maximum@1",
)
FACETS = ("month", "channel", "counter", "procedure")
QUERY = {"agency": "A1", "survey": "s1", "period": "2026-Q2"}


def ratio(question, counts, points):
    """Points over the most points possible, in answers to one question."""
    scores = {
        int(code): n for (asked, code), n in counts.items() if asked == question and code != "na"
    }
    return Fraction(sum(points(s) * n for s, n in scores.items())), sum(scores.values())


def satisfied(score):
    return int(score > 3)


def share(questions, counts, points=satisfied, most=1):
    top, bottom = zip(*(ratio(question, counts, points) for question in questions), strict=True)
    return sum(top), sum(bottom) * most


def percent(top, bottom):
    return Fraction(100 * top, bottom)


def oracle(method, counts):
    """The value and, where it is pooled, numerator and denominator, worked out from the answers."""
    asked = ("q1", "q2", "q3")
    pooled = {
        "top2-share@1": lambda: share(asked, counts),
        "overall-question@1": lambda: share(("q4",), counts),
        "mean-score@1": lambda: share(asked, counts, lambda score: Fraction(score - 1, 4)),
        "share-of-maximum@1": lambda: share(asked, counts, int, 5),
    }
    if method in pooled:
        made = pooled[method]()
        return percent(*made), *made
    parts = {
        "mean-of-criteria@1": [(1, own) for own in CRITERIA.values()],
        "weighted-criteria@1": [(WEIGHTS[code], own) for code, own in CRITERIA.items()],
        "mean-of-questions@1": [(1, (question,)) for question in asked],
    }[method]
    whole = sum(weight for weight, _ in parts)
    value = sum(weight * percent(*share(own, counts)) for weight, own in parts) / whole
    return value, None, None


def people(method, counts):
    """The most answers to one of the questions; of a mean the fewest among its parts."""
    answered = {
        question: ratio(question, counts, satisfied)[1] for question in ("q1", "q2", "q3", "q4")
    }
    if method == "overall-question@1":
        return answered["q4"]
    of_criteria = [max(answered[question] for question in own) for own in CRITERIA.values()]
    if method == "mean-of-questions@1":
        return min(answered[question] for question in ("q1", "q2", "q3"))
    return (min if method in {"mean-of-criteria@1", "weighted-criteria@1"} else max)(of_criteria)


def tallied(rows):
    return sum((Counter(row["answers"].items()) for row in rows), Counter())


async def figures(client, language="vi", **query):
    headers = {"Accept-Language": language}
    answer = await client.get("/v1/indices", params=QUERY | query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["figures"]


async def by_code(client, **query):
    return {figure["code"]: figure for figure in await figures(client, **query)}


PROCEDURES = ("1.000001", "1.000002")
COUNTERS = ("Q1", "Q2", None)
RETURNED = {"2026-04": "2026-04-20", "2026-05": "2026-05-20", "2026-06": "2026-06-10"}


async def returned(make, number, month, counter, procedure):
    """A dossier whose result was returned in the month."""
    code = f"000.00.01.H00-260401-{number:05}"
    path = f"/v1/agencies/A1/dossiers/{code}"
    body = {
        "procedure": procedure,
        "counter": counter,
        "channel": "desk",
        "received_at": "2026-04-02T08:00:00+07:00",
        "due_at": "2026-06-20T17:00:00+07:00",
    }
    await make.put(path, body)
    event = {"type": "result_returned", "at": f"{RETURNED[month]}T09:00:00+07:00"}
    assert (await make.admin.post(f"{path}/events", json=event)).status_code == 201
    return code


@pytest.fixture
async def department(make, client):
    """A department with two named counters and two procedures, and its survey."""
    await make.agency()
    await make.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Quầy 1", "en": "Counter 1"}})
    await make.put("/v1/agencies/A1/counters/Q2", {"name": {"vi": "Quầy 2"}})
    for code, name in zip(
        PROCEDURES, ({"vi": "Cấp phép", "en": "Permit"}, {"vi": "Gia hạn"}), strict=True
    ):
        body = {"name": name, "field": "Công Thương", "working_days": 5, "online": "full"}
        await make.put(f"/v1/procedures/{code}", body)
    days = {"opens_on": "2026-04-01", "closes_on": "2026-06-30"}
    await make.survey("s1", "A1", form=FORM, **days)
    return client


@pytest.fixture
async def forms(department, make):
    """All that was answered: 18 ratings, and a paper sheet in each of two months."""
    chance = random.Random(20260615)
    rows = []
    for number, (month, counter, procedure) in enumerate(product(RETURNED, COUNTERS, PROCEDURES)):
        answers = {q: str(chance.randint(1, 5)) for q in ("q1", "q2", "q3", "q4")}
        if not number % 9:
            answers["q2"] = "na"
        row = {"month": month, "counter": counter, "procedure": procedure, "answers": answers}
        row["channel"] = ("tablet", "portal")[number % 2]
        code = await returned(make, number, month, counter, procedure)
        rated = {"channel": row["channel"], "rated_at": f"{RETURNED[month]}T10:00:00+07:00"}
        answer = await make.rate(answers, dossier=code, **rated)
        assert answer.status_code == 201, answer.text
        rows.append(row)
    for number, month in enumerate(("2026-04", "2026-04", "2026-06"), 100):
        await returned(make, number, month, "Q2", PROCEDURES[0])  # never rated
    for month, size in (("2026-04", 6), ("2026-05", 9)):
        paper = [
            {q: str(chance.randint(1, 5)) for q in ("q1", "q2", "q3", "q4")} for _ in range(size)
        ]
        counts = {q: Counter(one[q] for one in paper) for q in paper[0]}
        answer = await make.sheet(counts, size, period=month)
        assert answer.status_code == 201, answer.text
        rows += [
            {"month": month, "counter": None, "procedure": None, "channel": "paper", "answers": one}
            for one in paper
        ]
    return rows


async def test_each_part_has_the_figure_that_its_own_forms_make(department, forms):
    for method, by in product(METHODS, FACETS):
        made = await figures(department, by=by, method=method)
        assert [figure["code"] for figure in made] == sorted({row[by] for row in forms if row[by]})
        for figure in made:
            counts = tallied(row for row in forms if row[by] == figure["code"])
            value, top, bottom = oracle(method, counts)
            assert (figure["level"], figure["status"]) == (by, "ok")
            assert figure["value"] == float(half_up(value)), (method, figure["code"])
            assert (figure["numerator"], figure["denominator"]) == (top, bottom)
            assert figure["n"] == people(method, counts)
            assert figure["ci_low"] <= figure["value"] <= figure["ci_high"]


async def test_the_parts_add_up_to_the_whole_where_the_method_does(department, forms):
    for method, by in product(("top2-share@1", "overall-question@1", "mean-score@1"), FACETS):
        (whole,) = await figures(department, method=method)
        parts = await figures(department, method=method, by=by)
        nowhere = tallied(row for row in forms if not row[by])
        left = oracle(method, nowhere)[1:] if nowhere else (0, 0)
        for place, name in enumerate(("numerator", "denominator")):
            assert sum(part[name] for part in parts) + left[place] == whole[name], (method, by)


async def test_a_month_is_what_the_month_is_when_asked_for_by_itself(department, forms):
    for method in METHODS:
        for month, figure in (await by_code(department, by="month", method=method)).items():
            (alone,) = await figures(department, period=month, method=method)
            for name in ("value", "numerator", "denominator", "n", "ci_low", "ci_high", "status"):
                assert figure[name] == alone[name], (method, month, name)


async def test_parts_are_named_in_the_readers_language(department, forms):
    said = {
        (by, language): [figure["name"] for figure in await figures(department, language, by=by)]
        for by, language in product(FACETS, ("vi", "en"))
    }
    assert said["month", "vi"] == ["Tháng 4/2026", "Tháng 5/2026", "Tháng 6/2026"]
    assert said["month", "en"] == ["April 2026", "May 2026", "June 2026"]
    assert said["channel", "vi"] == ["Phiếu giấy", "Cổng dịch vụ công", "Máy tính bảng tại quầy"]
    assert said["channel", "en"][0] == "Paper form"
    assert (said["counter", "vi"], said["counter", "en"]) == (
        ["Quầy 1", "Quầy 2"],
        ["Counter 1", "Quầy 2"],
    )
    assert (said["procedure", "vi"], said["procedure", "en"]) == (
        ["Cấp phép", "Gia hạn"],
        ["Permit", "Gia hạn"],
    )


async def test_the_response_rate_of_a_channel_is_that_of_its_own_forms(department, forms, make):
    for channel, issued, back in (("paper", 20, 15), ("tablet", 40, 18)):
        body = {"issued": issued, "returned": back, "invalid": 0}
        await make.put(f"/v1/surveys/s1/distributions/A1/{channel}", body)
    rates = {
        code: one["response_rate"]
        for code, one in (await by_code(department, by="channel")).items()
    }
    assert rates == {"paper": 75.0, "portal": None, "tablet": 45.0}
    await make.survey("s2", "A1", form=FORM)
    for query in ({"period": "2026-05"}, {"survey": ["s1", "s2"]}):
        part = await by_code(department, by="channel", **query)
        assert {one["response_rate"] for one in part.values()} == {None}
    for by in ("month", "counter", "procedure"):
        assert {one["response_rate"] for one in await figures(department, by=by)} == {None}


async def test_the_share_rated_is_that_of_the_dossiers_of_the_part(department, forms):
    rated = {
        by: {code: one["share_rated"] for code, one in (await by_code(department, by=by)).items()}
        for by in FACETS
    }
    assert rated["month"] == {"2026-04": 75.0, "2026-05": 100.0, "2026-06": 85.71}
    assert rated["counter"] == {"Q1": 100.0, "Q2": 66.67}
    assert rated["procedure"] == {"1.000001": 75.0, "1.000002": 100.0}
    assert set(rated["channel"].values()) == {None}


async def test_the_flaw_of_a_sheet_stands_at_its_month_and_at_no_counter(department, forms, make):
    answer = await make.sheet(
        {"q1": {"5": 11}, "q2": {"5": 10}, "q3": {"5": 10}, "q4": {"5": 10}},
        10,
        period="2026-06",
        accept=[{"pointer": "/counts/q1", "reason": "đúng như phiếu gốc"}],
    )
    assert answer.status_code == 201, answer.text
    noted = {
        by: {
            code: [f["code"] for f in one["findings"]]
            for code, one in (await by_code(department, by=by)).items()
        }
        for by in FACETS
    }
    flaw = ["more-answers-than-forms"]
    assert noted["month"] == {"2026-04": [], "2026-05": [], "2026-06": flaw}
    assert noted["channel"] == {"paper": flaw, "portal": flaw, "tablet": flaw}
    assert noted["counter"] == {"Q1": [], "Q2": []}
    assert noted["procedure"] == {"1.000001": [], "1.000002": []}


async def test_a_method_without_parts_and_a_source_are_not_broken_down(department):
    for query, pointer in (
        ({"method": "mean-of-units@1"}, "/query/by"),
        ({"survey": [], "source": "sipas"}, "/query/by"),
        ({"survey": [], "method": "tt01-2018@1"}, "/query/by"),
        ({"survey": [], "method": "qd766-dossier@1"}, "/query/by"),
    ):
        answer = await department.get("/v1/indices", params=QUERY | {"by": "month"} | query)
        assert (answer.status_code, answer.json()["code"]) == (422, "method-not-applicable")
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def statuses(made):
    return {figure["code"]: figure["status"] for figure in made}


def withheld(figure):
    """Whether nothing is told of the figure but how many people there were."""
    told = ("value", "numerator", "denominator", "ci_low", "ci_high", "gap", "met", "explanation")
    return not figure["options"] and {figure[name] for name in told} == {None}


MANY = questionnaire(
    ("access", [five_levels("q1")]),
    ("staff", [five_levels("q2")]),
    ("result", [five_levels("q3")]),
    ("cost", [five_levels("q4")]),
    ("time", [{"code": "q5", "text": {"vi": "Trả"}, "options": [option("early"), option("late")]}]),
)


async def test_each_status_says_why_there_is_a_value_or_none(make, client):
    await make.agency()
    await make.agency("A2")
    await make.peer_group("g", "A1")
    await make.survey("s1", "A1", form=MANY)
    await make.survey("s2", "A2", form=MANY)
    counts = {"q1": 40, "q2": 3, "q3": 38}
    sheet = {q: {"5": n - 1, "1": 1} for q, n in counts.items()} | {"q5": {"early": 10}}
    assert (await make.sheet(sheet, 40)).status_code == 201
    found = await by_code(client, by="criterion", explain="true")
    (not_asked,) = await figures(client, survey="s2", explain="true")
    assert statuses([*found.values(), not_asked]) == {
        "access": "ok",
        "staff": "too_few",
        "result": "suppressed",
        "cost": "pending",
        "time": "exempt",
        "overall": "not_asked",
    }
    assert (found["staff"]["n"], found["result"]["n"], found["cost"]["n"]) == (3, 38, 0)
    assert {code for code, one in found.items() if one["value"] is not None} == {"access"}
    assert [one["code"] for one in found.values() if withheld(one)] == ["staff", "result", "cost"]
    assert [one["count"] for one in found["time"]["options"]] == [10, 0]
    ranked = {"peer_group": "g", "survey": "s1", "period": "2026-Q2"}
    for code, one in found.items():
        answer = (await client.get("/v1/rankings", params=ranked | {"criterion": code})).json()
        shown = answer["rows"] or answer["unranked"]
        assert [row.get("status", "ok") for row in shown] == [one["status"]]
        assert [row["n"] for row in shown] == [one["n"]]


async def test_the_options_of_a_question_go_with_it(make, client):
    await make.agency()
    await make.survey("s1", "A1", form=MANY)
    counts = {"q1": 40, "q2": 3, "q3": 38}
    await make.sheet({q: {"5": n - 1, "1": 1} for q, n in counts.items()}, 40)
    asked = await figures(client, by="question")
    options = await figures(client, by="option")
    for question in asked:
        own = [one for one in options if one["code"].startswith(f"{question['code']}:")]
        assert {one["status"] for one in own} <= {question["status"]}
        assert (question["status"] in {"too_few", "suppressed"}) == (
            withheld(question) and bool(question["n"])
        )
        assert all(withheld(one) for one in own if question["status"] != "ok")


ONE = questionnaire(("c", [five_levels("q1"), five_levels("q2", na=True)]), overall="q2")


async def test_a_month_or_channel_of_too_few_takes_the_smallest_other_along(make, client):
    await make.agency()
    await make.survey("s1", "A1", form=ONE)
    sheets = (("2026-04", "paper", 3), ("2026-05", "post", 8), ("2026-06", "email", 20))
    for month, channel, n in sheets:
        counts = {q: {"5": n - 2, "1": 2} for q in ("q1", "q2")}
        answer = await make.sheet(counts, n, period=month, channel=channel)
        assert answer.status_code == 201, answer.text
    for by, codes in (
        ("month", [one[0] for one in sheets]),
        ("channel", [one[1] for one in sheets]),
    ):
        for method in METHODS:
            found = await by_code(client, by=by, method=method, explain="true")
            expected = dict(zip(codes, ("too_few", "suppressed", "ok"), strict=True))
            assert {code: found[code]["status"] for code in codes} == expected
            assert [withheld(found[code]) for code in codes] == [True, True, False]
            assert [found[code]["n"] for code in codes] == [3, 8, 20]


async def test_a_counter_or_procedure_of_too_few_is_hidden_by_another_or_by_forms_without(
    department, make
):
    number = 0
    for counter, procedure, n in (("Q1", PROCEDURES[0], 3), ("Q2", PROCEDURES[1], 7)):
        for _ in range(n):
            number += 1
            code = await returned(make, number, "2026-05", counter, procedure)
            answers = {q: str(1 + number % 5) for q in ("q1", "q2", "q3", "q4")}
            assert (await make.rate(answers, dossier=code)).status_code == 201
    for by in ("counter", "procedure"):
        found = await figures(department, by=by)
        assert [one["status"] for one in found] == ["too_few", "suppressed"]
    await make.sheet({q: {"5": 9} for q in ("q1", "q2", "q3", "q4")}, 9)
    for by in ("counter", "procedure"):
        found = await figures(department, by=by, explain="true")
        assert [one["status"] for one in found] == ["too_few", "ok"]
        assert (found[1]["explanation"]["inputs"], found[1]["explanation"]["parts"]) == ([], [])


def follows(known, wanted):
    """Whether a row is a linear combination of known ones."""
    left, solved = dict(wanted), {}
    for row in known:
        rest = reduced(row, solved)
        if rest:
            solved[next(iter(rest))] = rest
    return not reduced(left, solved)


def reduced(row, solved):
    """What remains of a row once all that is known of it is taken away, without zeros."""
    rest = {key: Fraction(value) for key, value in row.items() if value}
    for pivot, known in solved.items():
        if pivot in rest:
            times = rest[pivot] / known[pivot]
            rest = {
                key: value
                for key in rest.keys() | known.keys()
                if (value := rest.get(key, 0) - times * known.get(key, 0))
            }
    return rest


def random_form(chance):
    """One to three criteria of one or two questions, on five levels or on two."""
    two = [option("yes", satisfied=True), option("no")]
    return [
        (
            f"c{c}",
            [
                five_levels(f"q{c}{q}")
                if chance.random() < 0.7
                else {"code": f"q{c}{q}", "text": {"vi": "?"}, "options": two}
                for q in range(chance.randint(1, 2))
            ],
        )
        for c in range(chance.randint(1, 3))
    ]


async def random_survey(make, chance, code):
    """A survey answered at random by few or many; its cells with their counts and meaning."""
    criteria = random_form(chance)
    await make.survey(code, "A1", form=questionnaire(*criteria))
    cells, counts = {}, {}
    for criterion, questions in criteria:
        for asked in questions:
            people = chance.choice([0, 1, 2, 3, 4, 5, 7, 30, 30])
            chosen = Counter(chance.choices([o["code"] for o in asked["options"]], k=people))
            counts[asked["code"]] = dict(chosen)
            for one in asked["options"]:
                cell = (code, criterion, asked["code"], one["code"])
                cells[cell] = (
                    chosen[one["code"]],
                    one.get("satisfied", False),
                )
    forms = max(1, *(sum(chosen.values()) for chosen in counts.values()))
    assert (await make.sheet(counts, forms, survey=code)).status_code == 201
    return cells


def behind(cells, figure):
    """The cells of the questions that a figure is made of."""
    level, code = figure["level"], figure["code"].partition(":")[0]
    if level == "overall":
        return list(cells)
    if level == "criterion":
        return [cell for cell in cells if cell[1] == code]
    asked = (figure["questionnaire"], code)
    return [cell for cell in cells if (f"{cell[0]}-form", cell[2]) == asked]


def choosing(cells, option):
    return {cell: 1 for cell in cells if cell[3] == option}


def numerator(cells, figure):
    """The cells whose answers the figure counts."""
    if figure["level"] == "option":
        return choosing(behind(cells, figure), figure["code"].partition(":")[2])
    return {cell: 1 for cell in behind(cells, figure) if cells[cell][1]}


def told(cells, figure):
    """All that a figure says of single cells, explanation and all; each is checked to be true."""
    said = []
    if figure["numerator"] is not None:
        said.append((numerator(cells, figure), figure["numerator"]))
    own = behind(cells, figure)
    said += [(choosing(own, one["code"]), one["count"]) for one in figure["options"]]
    explanation = figure["explanation"] or {"inputs": [], "parts": []}
    for part in explanation["parts"]:
        criterion = {"level": "criterion", "code": part["code"]}
        said.append((numerator(cells, criterion), part["numerator"]))
    for asked in [*explanation["inputs"], *(i for p in explanation["parts"] for i in p["inputs"])]:
        where = (asked["survey"], asked["criterion"]["code"], asked["question"]["code"])
        said += [({(*where, one["code"]): 1}, one["count"]) for one in asked["options"]]
    for row, number in said:
        assert number == sum(cells[cell][0] for cell in row)
    return [row for row, _ in said]


@pytest.mark.parametrize("seed", range(8))
async def test_nothing_withheld_follows_from_all_answers_together(make, client, seed):
    chance = random.Random(seed)
    await make.agency()
    surveys = [f"s{number}" for number in range(chance.randint(1, 2))]
    cells = {}
    for code in surveys:
        cells |= await random_survey(make, chance, code)
    answered = {cell[:3] for cell, (n, _) in cells.items() if n}
    known, secrets = [{cell: 1} for cell in cells if cell[:3] not in answered], []
    for method, base, by in product(
        ("top2-share@1", "mean-of-criteria@1"),
        ("answers", "forms"),
        ("overall", "criterion", "question", "option"),
    ):
        query = {"survey": surveys, "method": method, "base": base, "by": by, "explain": "true"}
        for figure in await figures(client, **query):
            known += told(cells, figure)
            pooled = (method, base) == ("top2-share@1", "answers")
            if pooled and figure["status"] in {"too_few", "suppressed"}:
                secrets.append(numerator(cells, figure))
    if seed < 6:
        assert secrets
    for row in secrets:
        assert not follows(known, row)
