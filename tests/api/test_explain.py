"""A clerk repeats every figure that is answered, from its explanation and nothing else."""

from fractions import Fraction

import pytest
from factories import five_levels, option, questionnaire

from app.api import methods
from app.domain.methods import METHODS

YEAR = {"agency": "A1", "period": "2026"}
THREE = [option(str(score), score=score) for score in (2, 1, 0)]
FORM = questionnaire(
    ("access", [five_levels("q1"), five_levels("q2", na=True)]),
    (
        "service",
        [
            {
                "code": "q3",
                "text": {"vi": "Bốn mức", "en": "Four levels"},
                "options": [option(str(s), score=s, satisfied=s > 2) for s in (4, 3, 2, 1)],
            }
        ],
    ),
    (
        "visits",
        [{"code": "q4", "text": {"vi": "Số lần"}, "options": [option("one"), option("more")]}],
    ),
    ("general", [five_levels("q5")]),
    overall="q5",
    weights={"access": 2.5},
)
SCORED = questionnaire(("tt01-2", [{"code": "q1", "text": {"vi": "Thời gian"}, "options": THREE}]))
SELF_ASSESSED = {
    "points": {"5": 2, "6": 1, "8": 2, "9": 1},
    "counts": {"3": [10, 3, 1], "4": [4, 4, 4]},
}
SLICES = {"month", "channel", "counter", "procedure"}
OFFICIAL = {"qd766-dossier@1", "tt01-2018@1"}
LANGUAGES = ("vi", "en")


@pytest.fixture
async def units(make, client):
    """A province and the two agencies under it."""
    await make.agency("P", kind="province")
    for code in ("A1", "A2"):
        await make.agency(code, parent="P")
    return client


@pytest.fixture
async def province(make, units):
    """A1 with sheets of two months, ratings at a counter and a self-assessment; A2 beside it."""
    await make.survey("s1", "A1", "A2", form=FORM)
    await make.survey("s2", "A1", form=SCORED)
    await make.put("/v1/agencies/A1/counters/Q1", {"name": {"vi": "Quầy 1"}})
    may = {
        "q1": {"5": 4, "4": 3, "1": 6},
        "q2": {"5": 7, "3": 2, "na": 4},
        "q3": {"4": 5, "3": 2, "2": 1, "1": 5},
        "q4": {"one": 8, "more": 5},
        "q5": {"5": 6, "4": 3, "2": 4},
    }
    april = {"q1": {"4": 9, "2": 2}, "q2": {"5": 11}, "q3": {"3": 7, "1": 4}, "q5": {"4": 11}}
    await accepted(make.sheet(may, 13))
    await accepted(make.sheet(april, 11, period="2026-04", channel="post"))
    await accepted(make.sheet(april, 11, agency="A2"))
    await accepted(make.sheet({"q1": {"2": 5, "1": 8, "0": 3}}, 16, survey="s2"))
    for place in range(6):
        due = "2026-06-02T17:00:00+07:00" if place < 2 else "2026-06-20T17:00:00+07:00"
        dossier = await make.dossier(counter="Q1", due_at=due)
        answers = {"q1": "5", "q2": "4", "q3": "3", "q4": "one", "q5": "1" if place == 5 else "4"}
        await accepted(make.rate(answers, dossier=dossier))
    await make.put("/v1/agencies/A1/self-assessments/2026", SELF_ASSESSED)
    return units


async def accepted(sending):
    answer = await sending
    assert answer.status_code == 201, answer.text


async def published(make, agency, *values):
    figures = [
        {"criterion": f"c{place}" if place else "overall", "name": {"vi": "Chung"}, "value": value}
        for place, value in enumerate(values)
    ]
    body = {"title": {"vi": "Công bố"}, "figures": figures}
    await make.put(f"/v1/published-indices/sipas/2026/{agency}", body)


def asking(method, **more):
    """The query by a method, of the surveys that it may look at."""
    surveys = {"qd766-dossier@1": [], "tt01-2018@1": ["s2"]}.get(method, ["s1"])
    agency = {"agency": "P"} if method == "mean-of-units@1" else {}
    return YEAR | agency | {"method": method, "survey": surveys} | more


async def figures(client, query, **headers):
    answer = await client.get("/v1/indices", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["figures"]


async def explained(client, query, **headers):
    return await figures(client, query | {"explain": "true"}, **headers)


def points_of(method, answer, counted):
    """What an answer earns by the method's formula, and the most that one can earn."""
    scores = [one["score"] for one in counted]
    if method == "mean-score@1":
        return Fraction(answer["score"] - min(scores), max(scores) - min(scores)), 1
    if method == "share-of-maximum@1":
        return answer["score"], max(scores)
    return int(answer["satisfied"]), 1


def pooled(method, query, inputs, option_code=None):
    """Earned of possible points over all inputs, in percent, from the counts alone."""
    earned = possible = Fraction(0)
    for one in inputs:
        counted = [answer for answer in one["options"] if answer["counted"]]
        most = 1
        for answer in counted:
            points = int(answer["code"] == option_code)
            if not option_code:
                points, most = points_of(method, answer, counted)
            earned += answer["count"] * points
        whole = sum(answer["count"] for answer in counted)
        possible += (one["forms"] if query.get("base") == "forms" else whole) * most
    return 100 * earned / possible


def half_up(value, decimals):
    scale = 10**decimals
    return Fraction(int(value * scale + Fraction(1, 2)), scale)


def index(how, whole):
    """The points of an index: of what it counts, or as the agency gave them as a whole."""
    earned = how["earned"]
    if earned is None:
        assert whole["denominator"] == 1
        return Fraction(whole["numerator"])
    counted = [earned["two"], earned["one"], earned["none"], earned["complained"] or 0]
    return Fraction(2 * earned["two"] + earned["one"], sum(counted))


def by_hand(figure, query):
    """The exact value of a figure, from what its explanation gives."""
    method, how = query.get("method"), figure["explanation"]
    if method == "qd766-dossier@1":
        found = how["dossiers"]
        return Fraction(100 * (found["returned"] - found["subtracted"]), found["returned"])
    if method == "tt01-2018@1":
        if how["parts"]:
            return sum(half_up(index(one, one), 1) for one in how["parts"])
        return index(how, how["sums"])
    if how["inputs"]:
        _, _, option_code = figure["code"].partition(":")
        return pooled(method, query, how["inputs"], option_code)
    if not how["parts"]:
        earned = Fraction(how["sums"]["numerator"]).limit_denominator(1000)  # thirds, for instance
        return 100 * earned / Fraction(how["sums"]["denominator"])
    values = [
        pooled(method, query, part["inputs"]) if part["inputs"] else Fraction(str(part["value"]))
        for part in how["parts"]
    ]
    weights = [Fraction(str(part["weight"])) for part in how["parts"]]
    return sum(map(Fraction.__mul__, values, weights)) / sum(weights)


def check(figure, query):
    """The figure follows from its explanation, exactly and rounded."""
    how, value = figure["explanation"], by_hand(figure, query)
    assert value == Fraction(how["exact"])
    assert float(half_up(value, how["decimals"])) == how["value"] == figure["value"]
    assert how["steps"][-1]["vi"] != how["steps"][-1]["en"]


def walk(document, wanted):
    """Whatever stands under the wanted name, however deep."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name == wanted:
                yield value
            yield from walk(value, wanted)
    elif isinstance(document, list):
        for one in document:
            yield from walk(one, wanted)


def inputs_in(document):
    """Each question's counts in an answer."""
    return [one for inputs in walk(document, "inputs") for one in inputs]


async def queries(client, method):
    """Every level of a method with every base, as the service names them."""
    of = (await client.get(f"/v1/methods/{method}")).json()
    return [asking(method, by=level, base=base) for level in of["levels"] for base in of["bases"]]


@pytest.mark.parametrize("method", [one for one in methods.ids() if one != "as-published@1"])
async def test_every_figure_is_repeated_by_hand(province, method):
    for query in await queries(province, method):
        shown = [one for one in await explained(province, query) if one["value"] is not None]
        assert shown
        for figure in shown:
            if figure["explanation"]["exact"]:
                check(figure, query)
            else:
                assert query["by"] in SLICES


@pytest.mark.parametrize(
    ("agency", "method", "by", "value"),
    [
        ("A1", "as-published@1", "overall", 81.75),
        ("A1", "as-published@1", "criterion", 70.695),
        ("A1", "mean-of-criteria@1", "overall", 78.77),
        ("P", "mean-of-units@1", "overall", 85.88),
    ],
)
async def test_every_figure_from_a_source_is_repeated_by_hand(
    units, make, agency, method, by, value
):
    await published(make, "A1", "81.75", "70.695", "78.61", "87.00")
    await published(make, "A2", "90")
    query = {"agency": agency, "period": "2026", "source": "sipas", "method": method, "by": by}
    shown = await explained(units, query)
    assert shown[0]["value"] == value
    for figure in shown:
        check(figure, query)
        assert figure["explanation"]["inputs"] == []


async def test_a_slice_is_repeated_from_its_sums_and_shows_no_single_question(province):
    for by in SLICES:
        pooled_, mean = [
            [one for one in await explained(province, asking(method, by=by)) if one["value"]]
            for method in ("top2-share@1", "mean-of-criteria@1")
        ]
        assert pooled_
        for figure in pooled_:
            sums = figure["explanation"]["sums"]
            assert (sums["numerator"], sums["denominator"]) == (
                figure["numerator"],
                figure["denominator"],
            )
        for figure in pooled_ + mean:
            how = figure["explanation"]
            assert how["note"]["en"].startswith(
                "Counts of single questions are not given for parts"
            )
            assert (how["inputs"], how["parts"]) == ([], [])
        assert {figure["explanation"]["exact"] for figure in mean} == {None}


async def test_units_stand_under_their_own_names(province, make):
    await published(make, "A1", "81.75")
    await published(make, "A2", "90")
    source = {"survey": [], "source": "sipas"}
    for query in (asking("mean-of-units@1"), asking("mean-of-units@1", **source)):
        ((figure), *_) = await explained(province, query)
        named = [(part["code"], part["name"]["vi"]) for part in figure["explanation"]["parts"]]
        assert named == [("A1", "Cơ quan A1"), ("A2", "Cơ quan A2")]


async def test_only_where_asked_for_is_a_figure_explained(province):
    for said in ({}, {"explain": "false"}):
        for method in sorted({"top2-share@1", "mean-of-units@1"} | OFFICIAL):
            shown = await figures(province, asking(method) | said)
            assert [figure["explanation"] for figure in shown] == [None]


async def test_it_is_said_in_both_languages_to_every_reader(province):
    for method in ("top2-share@1", "mean-of-units@1", *OFFICIAL):
        ((first,), (second,)) = [
            await explained(province, asking(method), **{"Accept-Language": language})
            for language in LANGUAGES
        ]
        assert first["explanation"] == second["explanation"]
        for language in LANGUAGES:
            asked = {"Accept-Language": language}
            method_out = await province.get(f"/v1/methods/{method}", headers=asked)
            assert first["explanation"]["formula"][language] == method_out.json()["formula"]


async def test_a_table_of_figures_has_no_explanation(province):
    for query in (asking("mean-of-criteria@1", by="criterion"), asking("tt01-2018@1")):
        tables = [
            await province.get("/v1/indices", params=query | said, headers={"Accept": "text/csv"})
            for said in ({}, {"explain": "true"})
        ]
        assert tables[0].headers["Content-Type"].startswith("text/csv")
        assert tables[0].text == tables[1].text


@pytest.mark.parametrize("said", ["yes", "1", "True", ""])
async def test_explain_is_true_or_false(client, said):
    answer = await client.get("/v1/indices", params=asking("top2-share@1", explain=said))
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/query/explain"]


async def test_what_is_withheld_is_not_explained(province, make):
    few = {"q1": {"5": 2, "1": 1}, "q2": {"5": 20}, "q3": {"4": 20}, "q5": {"5": 20}}
    await make.agency("A3")
    await make.survey("s3", "A3", form=FORM)
    await accepted(make.sheet(few, 20, agency="A3", survey="s3"))
    query = asking("top2-share@1", agency="A3", survey="s3", by="question")
    shown = await explained(province, query)
    assert {(f["code"], f["status"], f["explanation"] is None) for f in shown} == {
        ("q1", "too_few", True),
        ("q2", "suppressed", True),
        ("q3", "ok", False),
        ("q4", "pending", True),
        ("q5", "ok", False),
    }


async def test_of_an_index_too_few_answered_no_answers_are_shown(province, make):
    await make.agency("A3")
    await make.survey("s3", "A3", form=SCORED)
    await accepted(make.sheet({"q1": {"2": 3, "1": 1}}, 4, agency="A3", survey="s3"))
    await make.put("/v1/agencies/A3/self-assessments/2026", SELF_ASSESSED)
    query = asking("tt01-2018@1", agency="A3", survey="s3", by="criterion")
    shown = {one["code"]: one for one in await explained(province, query)}
    assert (shown["2"]["status"], shown["2"]["explanation"]) == ("too_few", None)
    assert shown["3"]["explanation"]["earned"] == {
        "two": 10,
        "one": 3,
        "none": 1,
        "complained": None,
    }


async def test_a_total_with_a_missing_index_is_not_explained_but_says_which(province, make):
    await make.put("/v1/agencies/A1/self-assessments/2026", SELF_ASSESSED | {"points": {"5": 1}})
    (total,) = await explained(province, asking("tt01-2018@1"))
    assert (total["status"], total["explanation"]) == ("pending", None)
    assert [finding["detail"] for finding in total["findings"]] == [
        "There are no data for the indices 6, 8, 9, so there is no total."
    ]


@pytest.fixture
async def reticent(province, make):
    """Agencies under H, one of which has a question that few answered."""
    await make.agency("H", kind="province")
    for code in ("B1", "B2"):
        await make.agency(code, parent="H")
    await make.survey("s1", "A1", "A2", "B1", "B2", form=FORM)
    rows = {"q1": {"5": 9, "1": 7}, "q2": {"5": 2, "4": 1}, "q3": {"4": 6, "2": 5}, "q5": {"4": 16}}
    await accepted(make.sheet(rows, 16, agency="B1"))
    await accepted(make.sheet(rows | {"q2": {"5": 16}}, 16, agency="B2"))
    return province


async def test_no_explanation_has_the_counts_of_a_question_that_is_withheld(reticent):
    by_question = await figures(reticent, asking("top2-share@1", agency="B1", by="question"))
    withheld = {f["code"] for f in by_question if f["status"] in {"too_few", "suppressed"}}
    assert withheld == {"q1", "q2"}
    for method in METHODS:
        told = set()
        for query in await queries(reticent, method):
            agency = "H" if method == "mean-of-units@1" else "B1"
            for one in inputs_in(await explained(reticent, query | {"agency": agency})):
                told.add(one["question"]["code"])
                assert sum(o["count"] for o in one["options"] if o["counted"]) not in range(1, 5)
        assert not told & withheld
        assert bool(told) is (method != "mean-of-units@1")


async def test_of_units_of_which_one_withholds_a_question_only_their_figures_are_given(reticent):
    query = asking("mean-of-units@1", agency="H")
    (figure,) = await explained(reticent, query)
    how = figure["explanation"]
    assert [(p["code"], p["numerator"], p["denominator"]) for p in how["parts"]] == [
        ("B1", 18, 30),
        ("B2", 31, 43),
    ]
    values = [Fraction(100 * p["numerator"], p["denominator"]) for p in how["parts"]]
    assert sum(values) / 2 == Fraction(how["exact"])
    assert (inputs_in(how), how["note"] is None) == ([], False)
