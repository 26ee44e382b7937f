"""Editions: frozen once, published once, and the same for ever."""

import base64
import csv
import hashlib
import io
import json
import random
import tempfile
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import frictionless
import pytest
from factories import five_levels, option, questionnaire
from httpx import ASGITransport, AsyncClient

from app.api import methods as shown_methods
from app.api.edition_document import EditionDocument
from app.db import keys
from app.db.known import Known
from app.db.session import sessions
from app.domain import methods
from app.domain.access import SCOPES, Caller
from app.domain.formulas import OF_MAXIMUM
from app.domain.period import VIETNAM
from app.main import create_app

ASKED = {
    "code": "e-2026",
    "title": {"vi": "Mức độ hài lòng năm 2026"},
    "peer_group": "g",
    "period": "2026",
    "surveys": ["s1"],
}
EN = {"Accept-Language": "en"}
CSV = {"Accept": "text/csv"}

FOUR_LEVELS = {
    "code": "q4",
    "text": {"vi": "Câu hỏi q4"},
    "options": [option(str(s), score=s, satisfied=s > 2) for s in (1, 2, 3, 4)],
}
# Two criteria on the 5-level scale, one whose points are thirds, and the overall question apart.
MIXED = questionnaire(
    ("access", [five_levels("q1"), five_levels("q2", na=True)]),
    ("attitude", [five_levels("q3")]),
    ("result", [FOUR_LEVELS]),
    ("whole", [five_levels("q9")]),
    overall="q9",
    weights={"access": 2},
)
WEIGHTS = {"access": 2, "attitude": 1, "result": 1}
RANKING = sorted(set(shown_methods.ids()) - {methods.MEAN_OF_UNITS})
OF_ANSWERS = sorted(set(methods.METHODS) - {methods.MEAN_OF_UNITS})
UNASKED = "overall-question@1"  # the shortest form has no such question


@pytest.fixture
async def peers(make, client):
    """Four agencies in a group, one of them with forms of two people only."""
    for code in ("A1", "A2", "A3", "A4"):
        await make.agency(code)
    await make.peer_group("g", "A1", "A2", "A3", "A4")
    await make.survey("s1", peer_group="g", agencies=None)
    for code, best in (("A1", 7), ("A2", 9), ("A3", 7)):
        counts = {q: {"5": best, "1": 10 - best} for q in ("q1", "q2")}
        answer = await make.sheet(counts, 10, agency=code)
        assert answer.status_code == 201, answer.text
    await make.sheet({"q1": {"5": 2}, "q2": {"5": 2}}, 2, agency="A4")
    return client


@pytest.fixture
async def mixed(make, client):
    """Seven agencies with forms of several scales: two are equal, one has few, one has none."""
    codes = [f"A{number}" for number in range(1, 8)]
    for code in codes:
        await make.agency(code)
    await make.peer_group("g", *codes)
    await make.survey("s1", peer_group="g", agencies=None, form=MIXED, opens_on="2025-01-01")
    await make.put("/v1/targets/g/2026/overall", {"value": 66.67})
    await make.put("/v1/targets/A2/2026/access", {"value": 50})
    for code, forms, best in (("A1", 11, 7), ("A2", 13, 9), ("A3", 13, 9), ("A4", 17, 4)):
        await fill(make, code, forms, best)
    await fill(make, "A5", 3, 2)
    await fill(make, "A6", 12, 5, few=3)
    await fill(make, "A1", 9, 6, period="2025-05")
    return client


async def fill(make, agency, forms, best, few=None, **fields):
    """A sheet with so many forms, of which so many chose the best option of each question."""
    counts = {q: {"5": best, "3": forms - best} for q in ("q1", "q2", "q9")}
    counts["q2"] = {"4": best, "na": 1, "1": forms - best - 1}
    counts["q4"] = {"4": best - 1, "3": 1, "2": forms - best}
    asked = few or forms
    counts["q3"] = {"4": asked // 2, "2": asked - asked // 2}
    answer = await make.sheet(counts, forms, agency=agency, **fields)
    assert answer.status_code == 201, answer.text


async def frozen(client, **fields):
    answer = await client.post("/v1/editions", json=ASKED | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def publish(client, code):
    answer = await client.post(f"/v1/editions/{code}/publish")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def published(client, **fields):
    return await publish(client, (await frozen(client, **fields))["code"])


async def document(client, code="e-2026"):
    answer = await client.get(f"/v1/editions/{code}")
    assert answer.status_code == 200, answer.text
    check_contract(answer.content)
    return json.loads(answer.content, parse_float=Decimal)


def check_contract(content):
    """That the contract names every member of the document, and none that is not there."""
    described = EditionDocument.model_validate_json(content, extra="forbid")
    assert described.model_dump(mode="json", exclude_unset=True) == json.loads(content)
    assert EditionDocument.model_fields.keys() == json.loads(content).keys()


async def refused(client, status, **fields):
    """The faults with which an edition is refused, and that nothing was stored."""
    answer = await client.post("/v1/editions", json=ASKED | fields)
    assert answer.status_code == status, answer.text
    assert (await client.get(f"/v1/editions/{ASKED['code']}")).status_code == 404
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


def shown(value, document, decimals=None):
    """An exact value as the edition rounds it."""
    scaled = Fraction(value) * 10 ** (document["decimals"] if decimals is None else decimals)
    units = int(abs(scaled) + Fraction(document["rounding"] == "half_up", 2))
    rounded = Decimal(units if scaled >= 0 else -units)
    return rounded.scaleb(-document["decimals"] if decimals is None else -decimals)


def figures_of(document):
    """The figures by agency and criterion."""
    return {
        (part["agency"], figure["code"]): figure
        for part in document["agencies"]
        for figure in part["figures"]
    }


def check_figure(figure, document):
    if figure["status"] != "ok":
        empty = ("value", "exact", "numerator", "denominator", "ci_low", "ci_high", "gap", "met")
        assert {figure[name] for name in empty} == {None}
        return
    exact = Fraction(figure["exact"])
    assert figure["value"] == shown(exact, document)
    assert figure["n"] >= document["minimum_n"]
    if figure["numerator"] is not None:
        assert exact == 100 * Fraction(figure["numerator"]) / Fraction(figure["denominator"])
    if figure["ci_low"] is not None:
        assert 0 <= figure["ci_low"] <= figure["value"] + 1
        assert figure["value"] - 1 <= figure["ci_high"] <= 100
    if figure["target"] is not None:
        gap = exact - Fraction(figure["target"])
        assert (figure["gap"], figure["met"]) == (shown(gap, document), gap >= 0)


def check_ranking(ranking, document):
    code, figures = ranking["criterion"], figures_of(document)
    own = {part["agency"]: figures[part["agency"], code] for part in document["agencies"]}
    exact = {agency: Fraction(one["exact"]) for agency, one in own.items() if one["exact"]}
    assert ranking["peer_count"] == len(own)
    assert sorted(row["agency"] for row in ranking["rows"]) == sorted(exact)
    assert {(row["agency"], row["status"], row["n"]) for row in ranking["unranked"]} == {
        (agency, one["status"], one["n"]) for agency, one in own.items() if one["status"] != "ok"
    }
    for row in ranking["rows"]:
        mine = exact[row["agency"]]
        better = [value for value in exact.values() if value > mine]
        assert row["rank"] == 1 + len(better)
        equal = sorted(other for other, value in exact.items() if value == mine)
        assert sorted([*row["tied_with"], row["agency"]]) == equal
        gap = shown(min(better) - mine, document) if better else None
        assert row["gap_to_next"] == gap
        if row["rank_low"] is not None:
            assert 1 <= row["rank_low"] <= row["rank"] <= row["rank_high"] <= len(exact)
        if row["improvement"] is not None:
            assert figures[row["agency"], row["improvement"]["criterion"]]["status"] == "ok"
    assert [row["rank"] for row in ranking["rows"]] == sorted(
        row["rank"] for row in ranking["rows"]
    )
    total = ranking["total"]
    if total and total["numerator"] is not None:
        for name in ("numerator", "denominator"):
            assert total[name] == sum(Fraction(own[agency][name]) for agency in exact)
        check_figure(total, document)


def check(document):
    """All that the edition says agrees with its own numerators and denominators."""
    codes = [one["code"] for one in document["criteria"]]
    assert codes[0] == "overall"
    assert len(set(codes)) == len(codes)
    names = [one["code"] for one in document["organisation"]]
    assert names == [part["agency"] for part in document["agencies"]]
    for part in document["agencies"]:
        assert [figure["code"] for figure in part["figures"]] == codes
    for figure in figures_of(document).values():
        check_figure(figure, document)
    assert [ranking["criterion"] for ranking in document["rankings"]] == codes
    for ranking in document["rankings"]:
        check_ranking(ranking, document)


@pytest.mark.parametrize(
    ("rounding", "decimals"), [("half_up", 2), ("truncate", 1), ("half_up", 0)]
)
async def test_the_numbers_of_an_edition_agree_among_themselves(mixed, rounding, decimals):
    for place, method in enumerate(OF_ANSWERS):
        code = f"e-{place}"
        await frozen(mixed, code=code, method=method, rounding=rounding, decimals=decimals)
        made = await document(mixed, code)
        check(made)
        for agency in ("A1", "A2", "A3", "A4"):
            check_overall(
                {c: one for (of, c), one in figures_of(made).items() if of == agency}, method
            )


def check_overall(own, method):
    """An agency's overall figure follows from its criteria."""
    if method in {"top2-share@1", "mean-score@1", "share-of-maximum@1"}:
        for name in ("numerator", "denominator"):
            assert own["overall"][name] == sum(own[code][name] for code in WEIGHTS)
    if method in {"mean-of-criteria@1", "weighted-criteria@1"}:
        weights = WEIGHTS if method == "weighted-criteria@1" else dict.fromkeys(WEIGHTS, 1)
        values = [Fraction(own[code]["exact"]) * weight for code, weight in weights.items()]
        assert Fraction(own["overall"]["exact"]) == sum(values) / sum(weights.values())


async def test_an_office_rounds_as_it_does(make, client):
    await make.agency("A1")
    await make.peer_group("g", "A1")
    await make.survey("s1")
    await make.sheet({"q1": {"5": 7, "1": 4}}, 11)
    for rounding, values in (("half_up", (64, 63.6, 63.64)), ("truncate", (63, 63.6, 63.63))):
        for decimals, value in enumerate(values):
            code = f"{rounding}-{decimals}"
            await frozen(client, code=code, rounding=rounding, decimals=decimals)
            figure = figures_of(await document(client, code))["A1", "overall"]
            assert (figure["exact"], float(figure["value"])) == ("700/11", value)


async def printed(make, agency, value, rank=None):
    overall = {"criterion": "overall", "name": {"vi": "Chung"}, "value": value, "rank": rank}
    access = {"criterion": "access", "name": {"vi": "Tiếp cận"}, "value": value}
    other = {"criterion": "attitude", "name": {"vi": "Thái độ"}, "value": value}
    body = {"title": {"vi": "SIPAS"}, "figures": [overall, access, other]}
    await make.put(f"/v1/published-indices/sipas/2026/{agency}", body)


def asked_by(method):
    """What an edition by that method is made from."""
    if method == methods.AS_PUBLISHED:
        return {"method": method, "source": "sipas", "surveys": []}
    surveys = [] if method == "qd766-dossier@1" else ["s1"]
    return {"method": method, "surveys": surveys}


REGIMES = {
    "as-published@1": ("published", "percent"),
    "qd766-dossier@1": ("qd766", "percent"),
    "tt01-2018@1": ("tt01-2018", "points"),
}


async def test_every_method_that_ranks_is_frozen_under_its_own_regime(peers, make):
    await printed(make, "A1", "81.50", 2)
    for _ in range(6):
        await make.dossier("A2")
    for method in set(RANKING) - {UNASKED}:
        code = method.replace("@", "-")
        await published(peers, code=code, **asked_by(method))
        made = await document(peers, code)
        called = (await peers.get("/v1/methods/" + method)).json()["name"]
        assert (made["method"]["id"], made["method"]["name"]["en"]) == (method, called)
        regime = (made["method"]["regime"], made["method"]["unit"])
        assert regime == REGIMES.get(method, ("ratings", "percent"))
        returned = {part["agency"]: part["dossiers"]["returned"] for part in made["agencies"]}
        assert returned == {"A1": 0, "A2": 6, "A3": 0, "A4": 0}
        answer = (await peers.get(f"/v1/editions/{code}/rankings/overall")).json()
        assert answer["method"]["regime_name"] == made["method"]["regime_name"]["en"]
        rows = made["rankings"][0]["rows"]
        assert [row["rank"] for row in answer["rows"]] == [row["rank"] for row in rows]


async def test_points_of_a_scorecard_are_frozen_with_their_total_and_class(make, client):
    await make.agency("A1")
    await make.peer_group("g", "A1")
    await make.dossier("A1")
    body = {
        "points": {"5": 2, "6": 2, "8": 1, "9": 1},
        "counts": {"2": [2, 1, 0], "3": [6, 0, 0], "4": [0, 6, 0]},
    }
    await make.put("/v1/agencies/A1/self-assessments/2026", body)
    await published(client, method="tt01-2018@1", surveys=[])
    made = await document(client)
    figures = {code: one for (_, code), one in figures_of(made).items()}
    assert {code: float(one["value"]) for code, one in figures.items()} == {
        "overall": 14.7,
        "1": 2,
        "2": 1.7,
        "3": 2,
        "4": 1,
        "5": 2,
        "6": 2,
        "7": 2,
        "8": 1,
        "9": 1,
    }
    assert [note["code"] for note in figures["overall"]["findings"]] == ["grade-good"]
    answer = (await client.get("/v1/editions/e-2026/indices/A1")).json()
    assert answer["method"]["unit"] == "points"
    assert (answer["dossiers"]["returned"], answer["forms"]["valid"]) == (1, None)


async def test_an_edition_of_a_source_keeps_what_was_printed(make, client, anonymous):
    for code, value, rank in (("A1", "81.50", 13), ("A2", "82.9951", None), ("A3", "80.0", 15)):
        await make.agency(code)
        await printed(make, code, value, rank)
    await make.peer_group("g", "A1", "A2", "A3")
    await published(client, source="sipas", surveys=[], decimals=0)
    made = await document(client)
    assert (made["source"], made["surveys"], made["rankings"][0]["rank_basis"]) == (
        "sipas",
        [],
        "printed",
    )
    answer = (await anonymous.get("/v1/editions/e-2026/rankings/overall")).json()
    assert [(row["rank"], row["agency"]["code"], row["value"]) for row in answer["rows"]] == [
        (13, "A1", 81.5),
        (15, "A3", 80.0),
        (None, "A2", 82.9951),
    ]
    query = {"peer_group": "g", "source": "sipas", "period": "2026"}
    for language in ("vi", "en"):
        headers = {"Accept-Language": language}
        live = (await client.get("/v1/rankings", params=query, headers=headers)).json()
        path = "/v1/editions/e-2026/rankings/overall"
        answer = (await anonymous.get(path, headers=headers)).json()
        notes = [[note["detail"] for note in row["findings"]] for row in answer["rows"]]
        assert notes == [[note["detail"] for note in row["findings"]] for row in live["rows"]]
        assert (",50 %" in notes[0][0]) == (language == "vi")


async def test_the_mean_of_units_ranks_nobody(peers):
    assert await refused(peers, 422, method=methods.MEAN_OF_UNITS) == [("/method", "not-allowed")]


@pytest.mark.parametrize("view", ["as_was", "today", "like_for_like"])
async def test_an_edition_is_made_in_each_view(make, client, view):
    for code in ("A1", "A2", "B1"):
        await make.agency(code)
    members = [{"agency": code, "valid_from": "2010-01-01"} for code in ("A1", "A2")]
    members.append({"agency": "B1", "valid_from": "2026-04-01"})
    await make.put("/v1/peer-groups/g", {"name": {"vi": "Khối"}, "members": members})
    await make.survey("s1", peer_group="g", agencies=None, opens_on="2025-01-01")
    for code, period in (
        ("A1", "2025-08"),
        ("A2", "2025-08"),
        ("A1", "2026-02"),
        ("A2", "2026-02"),
    ):
        await make.sheet({"q1": {"5": 7, "1": 3}}, 10, agency=code, period=period)
    await make.sheet({"q1": {"5": 12}}, 12, agency="B1", period="2026-05")
    body = {"successors": [{"agency": "B1", "share": 1}], "on": "2026-04-01"}
    answer = await client.post("/v1/agencies/A2/succession", json=body)
    assert answer.status_code == 201, answer.text
    await published(client, view=view)
    made = await document(client)
    check(made)
    figures = figures_of(made)
    people = {agency: one["n"] for (agency, code), one in figures.items() if code == "overall"}
    assert (
        people
        == {
            "as_was": {"A1": 10, "A2": 10, "B1": 12},
            "today": {"A1": 10, "B1": 22},
            "like_for_like": {"A1": 10},
        }[view]
    )
    bodies = {one["code"]: one for one in made["organisation"]}
    if view == "today":
        passed = {"share": "1", "on": "2026-04-01"}
        assert bodies["B1"]["predecessors"] == [{"agency": "A2", **passed}]
        assert bodies["B1"]["membership"] == [{"valid_from": "2026-04-01", "valid_to": None}]
    query = {"peer_group": "g", "survey": "s1", "period": "2026", "view": view}
    live = (await client.get("/v1/rankings", params=query)).json()
    answer = await client.get("/v1/editions/e-2026/rankings/overall")
    assert answer.json() == live | {"edition": "e-2026"}


def reduced(rows):
    """The rows in echelon form, each under the place of its first number."""
    basis = {}
    for row in rows:
        left = remainder(row, basis)
        if left:
            first = min(left)
            basis[first] = {place: value / left[first] for place, value in left.items()}
    return basis


def remainder(row, basis):
    """What of a sum does not follow from the others."""
    row = dict(row)
    while found := [place for place in row if place in basis]:
        first = min(found)
        factor = row[first]
        for place, value in basis[first].items():
            row[place] = row.get(place, Fraction(0)) - factor * value
            if not row[place]:
                del row[place]
    return row


def known(document, mean):
    """All that the edition tells of numerators (of values, where the index is a mean), as sums."""
    one = Fraction(1)
    for part in document["agencies"]:
        agency = part["agency"]
        overall, *criteria = part["figures"]
        for figure in part["figures"]:
            if figure["status"] == "ok" or (figure["status"] == "pending" and not mean):
                yield {(agency, figure["code"]): one}
        if overall["status"] != "pending":
            whole = {(agency, "overall"): Fraction(-len(criteria)) if mean else -one}
            yield whole | {(agency, figure["code"]): one for figure in criteria}
    for ranking in document["rankings"]:
        if ranking["total"] is not None:
            yield {(row["agency"], ranking["criterion"]): one for row in ranking["rows"]}


def subsets(codes):
    return [
        [code for place, code in enumerate(codes) if bits >> place & 1]
        for bits in range(1, 2 ** len(codes))
    ]


THREE = questionnaire(
    ("access", [five_levels("q1"), five_levels("q2")]),
    ("attitude", [five_levels("q3")]),
    ("result", [five_levels("q4")]),
)


@pytest.mark.parametrize("seed", range(3))
async def test_what_few_people_said_follows_from_nothing_that_is_published(make, client, seed):
    chance = random.Random(seed)
    codes = [f"A{number}" for number in range(1, 7)]
    for code in codes:
        await make.agency(code)
    await make.peer_group("g", *codes)
    await make.survey("s1", peer_group="g", agencies=None, form=THREE)
    for code in codes:
        forms = chance.choice([3, 8, 12])
        counts = {}
        for question in ("q1", "q2", "q3", "q4"):
            answers = chance.choice([0, 2, 4, forms, forms])
            best = chance.randint(0, min(answers, forms))
            counts[question] = {"5": best, "2": min(answers, forms) - best}
        await make.sheet(counts, forms, agency=code)
    hidden = 0
    for method in ("top2-share@1", "mean-score@1", "mean-of-criteria@1"):
        await frozen(client, code=method.replace("@", "-"), method=method)
        made = await document(client, method.replace("@", "-"))
        check(made)
        basis = reduced(known(made, method.startswith("mean-of")))
        figures = figures_of(made)
        for agency in codes:
            for several in (["overall"], *subsets(["access", "attitude", "result"])):
                own = [figures[agency, code] for code in several]
                if all(figure["status"] in {"too_few", "suppressed"} for figure in own):
                    hidden += 1
                    follows = not remainder({(agency, c): Fraction(1) for c in several}, basis)
                    people = max(figure["n"] for figure in own)
                    assert not follows or people >= made["minimum_n"], (agency, several)
                    assert not follows or len(own) > 1 or own[0]["status"] == "suppressed"
    assert hidden


async def test_the_smallest_number_of_people_is_the_editions_own(peers):
    await frozen(peers, minimum_n=2)
    assert figures_of(await document(peers))["A4", "overall"]["status"] == "ok"
    await frozen(peers, code="strict", minimum_n=11)
    made = await document(peers, "strict")
    assert {figure["status"] for figure in figures_of(made).values()} == {"too_few"}
    assert made["rankings"][0]["total"] is None


async def served(*clients):
    """Everything that is served of the edition, by path, language and form."""
    found = {}
    paths = ["", "/datapackage.zip"]
    paths += [f"/rankings/{criterion}" for criterion in ("overall", "access", "attitude")]
    paths += [f"/indices/{agency}" for agency in ("A1", "A2", "A3", "A4")]
    for client in clients:
        for path in paths:
            for headers in ({"Accept-Language": "vi"}, EN, EN | CSV):
                answer = await client.get(f"/v1/editions/e-2026{path}", headers=headers)
                assert answer.status_code == 200, answer.text
                key = (path, *headers.values())
                seen = (answer.content, answer.headers["etag"])
                assert found.setdefault(key, seen) == seen, key
    return found


@pytest.fixture
async def another(settings, connection):
    """A reader of an app that was just started, and knows nothing yet."""
    app = create_app(settings)
    app.state.sessions = sessions(connection)
    app.state.known = Known(app.state.sessions)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as reader:
        yield reader


async def test_nothing_that_changes_later_moves_a_published_edition(
    peers, make, anonymous, another, monkeypatch
):
    query = {"peer_group": "g", "survey": "s1", "period": "2026"}
    made = await published(peers)
    before, live = await served(anonymous), (await peers.get("/v1/rankings", params=query)).json()
    for code in ("A1", "A4"):
        await make.sheet({"q1": {"1": 30}, "q2": {"1": 20}}, 30, agency=code)
    await make.agency("A1", name={"vi": "Sở Đổi tên"}, kind="commune")
    await make.agency("A5")
    await make.peer_group("g", "A1", "A2", "A4", "A5")
    await make.put("/v1/targets/g/2026/overall", {"value": 99})
    await make.survey("s1", peer_group="g", agencies=None, title={"vi": "Đợt đổi tên"})
    changed = replace(methods.METHODS["top2-share@1"], kernel=OF_MAXIMUM)
    monkeypatch.setitem(methods.METHODS, "top2-share@1", changed)
    assert await served(anonymous, another) == before
    again = (await anonymous.get("/v1/editions")).json()["items"][0]
    assert again["digest"] == made["digest"]
    assert made["digest"] == f"sha-256:{hashlib.sha256(before['', 'en'][0]).hexdigest()}"
    now = (await peers.get("/v1/rankings", params=query)).json()
    assert [row["value"] for row in now["rows"]] != [row["value"] for row in live["rows"]]


async def differences(client, code="e-2026", **query):
    answer = await client.get(f"/v1/editions/{code}/differences", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_differences_name_what_is_known_otherwise_now(peers, make):
    await published(peers)
    same = await differences(peers)
    assert (same["edition"], same["against"], same["compared"]) == ("e-2026", None, 12)
    assert same["items"] == []
    await make.agency("A1", name={"vi": "Sở Đổi tên"})
    await make.survey("s1", peer_group="g", agencies=None, title={"vi": "Đợt đổi tên"})
    assert (await differences(peers))["items"] == []
    await make.sheet({"q1": {"5": 10}}, 10, agency="A3")
    found = {(one["agency"], one["criterion"]): one for one in (await differences(peers))["items"]}
    assert list(found) == [
        ("A1", "overall"),
        ("A1", "access"),
        ("A3", None),
        ("A3", "overall"),
        ("A3", "access"),
        ("A3", "attitude"),
        (None, "overall"),
        (None, "access"),
    ]
    entry = dict.fromkeys(found["A1", "access"]["now"]) | {"findings": []}
    entry |= {"status": "ok", "exact": "70", "value": 70.0, "n": 10}
    placed = entry | {"rank_low": 1, "rank_high": 3}
    assert found["A1", "access"]["published"] == placed | {"rank": 2}
    assert found["A1", "access"]["now"] == placed | {"rank": 3}
    better = {"exact": "85", "value": 85.0, "n": 20, "rank": 2}
    assert found["A3", "access"]["now"] == placed | better
    assert found["A3", "attitude"]["published"]["findings"] == []
    (note,) = found["A3", "attitude"]["now"]["findings"]
    assert (note["code"], note["question"], "10" in note["detail"]) == ("unanswered", "q2", True)
    assert [found["A3", None][at]["forms"]["valid"] for at in ("published", "now")] == [10, 20]
    total = found[None, "access"]["now"]
    assert (total["exact"], total["n"], total["rank"]) == ("165/2", 40, None)


async def test_differences_name_peers_that_came_and_went(peers, make):
    await published(peers)
    await make.agency("A0")
    await make.peer_group("g", "A0", "A1", "A2", "A3")
    found = (await differences(peers))["items"]
    assert {one["agency"] for one in found if one["now"] is None} == {"A4"}
    assert {one["agency"] for one in found if one["published"] is None} == {"A0"}
    assert len(found) == 8


async def test_differences_name_another_target(peers, make):
    await published(peers)
    await make.put("/v1/targets/A2/2026/access", {"value": 95.5})
    (found,) = (await differences(peers))["items"]
    assert (found["published"]["target"], found["now"]["target"]) == (None, 95.5)


async def test_differences_name_dossiers_that_came_later(peers, make):
    await published(peers)
    await make.dossier("A2")
    found = (await differences(peers))["items"]
    assert [(one["agency"], one["criterion"]) for one in found] == [
        ("A2", None),
        (None, "overall"),
        (None, "access"),
        (None, "attitude"),
    ]
    assert [found[0][at]["dossiers"]["returned"] for at in ("published", "now")] == [0, 1]
    assert [found[1][at]["share_rated"] for at in ("published", "now")] == [None, 0.0]


async def test_differences_name_a_change_against_the_period_before(peers, make):
    await make.survey("s0", peer_group="g", agencies=None, opens_on="2025-01-01")
    await published(peers, earlier_surveys=["s0"])
    before = {"q1": {"5": 8, "1": 2}, "q2": {"5": 8, "1": 2}}
    for code in ("A1", "A2", "A3"):
        answer = await make.sheet(before, 10, survey="s0", agency=code, period="2025-05")
        assert answer.status_code == 201, answer.text
    found = (await differences(peers))["items"]
    changes = {(one["agency"], one["criterion"]): one["now"]["change"] for one in found}
    assert {agency for agency, _ in changes} == {"A1", "A2", "A3"}
    assert changes["A2", "overall"]["value"] == 10.0
    assert found[0]["published"]["change"] is None


async def test_differences_name_the_terms_on_which_another_edition_is_made(peers):
    await published(peers)
    assert (await differences(peers))["terms"] == []
    await frozen(peers, code="other", method="mean-score@1", minimum_n=2, decimals=1)
    assert (await differences(peers, against="other"))["terms"] == [
        "method",
        "decimals",
        "minimum_n",
    ]


async def test_differences_between_two_editions_stay_as_they_are(peers, make):
    await published(peers)
    await make.sheet({"q1": {"5": 10}}, 10, agency="A3")
    await published(peers, code="later")
    await make.sheet({"q1": {"1": 90}}, 90, agency="A2")
    found = await differences(peers, against="later")
    assert found["against"] == "later"
    assert {one["agency"] for one in found["items"]} == {"A1", "A3", None}
    unknown = await peers.get("/v1/editions/e-2026/differences", params={"against": "none"})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (404, "/query/against")


async def test_the_same_request_sent_again_is_answered_as_before(peers, make):
    first = await peers.post("/v1/editions", json=ASKED)
    await make.sheet({"q1": {"1": 9}}, 9)
    again = await peers.post("/v1/editions", json=ASKED | {"decimals": 2, "source": None})
    assert (again.status_code, again.json()) == (201, first.json())
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_code_is_taken_by_the_first_request_that_names_it(peers):
    before = await frozen(peers)
    for other in ({"decimals": 1}, {"title": {"vi": "Tên khác"}}, {"minimum_n": 5}):
        answer = await peers.post("/v1/editions", json=ASKED | other)
        assert (answer.status_code, answer.json()["code"]) == (409, "edition-exists")
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/code"]
    assert f"sha-256:{hashlib.sha256(await content(peers)).hexdigest()}" == before["digest"]


async def content(client, path="e-2026"):
    answer = await client.get(f"/v1/editions/{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


REVISED = {"code": "e-2026-b", "supersedes": "e-2026", "reason": "Bổ sung phiếu của A3."}


async def test_a_revision_names_what_it_supersedes_and_both_stay_readable(peers, make, anonymous):
    await published(peers)
    old = await content(anonymous)
    await make.sheet({"q1": {"5": 10}}, 10, agency="A3")
    draft = await frozen(peers, **REVISED)
    assert (draft["supersedes"], draft["reason"]) == ("e-2026", REVISED["reason"])
    assert "Link" not in (await anonymous.get("/v1/editions/e-2026")).headers
    await publish(peers, "e-2026-b")
    again = await anonymous.get("/v1/editions/e-2026")
    assert again.content == old
    assert again.headers["Link"] == '</v1/editions/e-2026-b>; rel="successor-version"'
    revised = await document(anonymous, "e-2026-b")
    assert (revised["supersedes"], revised["reason"]) == ("e-2026", REVISED["reason"])
    listed = {one["code"]: one for one in (await anonymous.get("/v1/editions")).json()["items"]}
    assert (listed["e-2026"]["superseded_by"], listed["e-2026"]["supersedes"]) == ("e-2026-b", None)
    assert listed["e-2026-b"]["superseded_by"] is None
    held = {"If-None-Match": again.headers["etag"]}
    for path in ("e-2026", "e-2026/rankings/overall"):
        unchanged = await anonymous.get(f"/v1/editions/{path}", headers=held)
        assert unchanged.headers["Link"] == again.headers["Link"]


async def test_only_a_published_edition_that_none_superseded_is_revised(peers):
    await frozen(peers)
    draft = await peers.post("/v1/editions", json=ASKED | REVISED)
    assert (draft.status_code, draft.json()["code"]) == (409, "edition-not-revisable")
    await publish(peers, "e-2026")
    await published(peers, **REVISED)
    twice = await peers.post("/v1/editions", json=ASKED | REVISED | {"code": "e-2026-c"})
    assert (twice.status_code, twice.json()["code"]) == (409, "edition-not-revisable")
    assert twice.json()["errors"][0]["pointer"] == "/supersedes"
    onward = REVISED | {"code": "e-2026-c", "supersedes": "e-2026-b"}
    assert (await published(peers, **onward))["supersedes"] == "e-2026-b"


async def test_a_revision_is_of_the_same_peers_and_months(peers, make):
    await published(peers)
    await make.peer_group("h", "A1", "A2")
    other = REVISED | {"peer_group": "h", "period": "2026-Q2"}
    answer = await peers.post("/v1/editions", json=ASKED | other)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [
        ("/peer_group", "not-as-superseded"),
        ("/period", "not-as-superseded"),
    ]


async def test_of_two_drafts_that_supersede_the_same_one_is_published(peers, anonymous):
    await published(peers)
    await frozen(peers, **REVISED)
    await frozen(peers, **REVISED | {"code": "e-2026-c"})
    await publish(peers, "e-2026-c")
    refusal = await peers.post("/v1/editions/e-2026-b/publish")
    assert (refusal.status_code, refusal.json()["code"]) == (409, "edition-not-revisable")
    assert (await publish(peers, "e-2026-c"))["state"] == "published"
    assert (await anonymous.get("/v1/editions/e-2026-b")).status_code == 404


async def test_published_again_an_edition_stays_as_it_was_published(peers, app):
    first = await published(peers)
    moment = app.state.clock()
    app.state.clock = lambda: moment.replace(hour=23)
    assert await publish(peers, "e-2026") == first


async def test_the_latest_edition_is_of_the_newest_period_and_not_superseded(
    peers, make, anonymous, app
):
    none = await anonymous.get("/v1/editions/latest")
    assert (none.status_code, none.json()["errors"][0]["code"]) == (404, "no-edition-yet")
    await make.peer_group("h", "A1", "A2")
    await published(peers, code="b-q2", period="2026-Q2")
    await published(peers, code="a-h", period="2026-Q2", peer_group="h")
    await make.sheet({"q1": {"5": 9}, "q2": {"5": 9}}, 9, agency="A2", period="2026-02")
    await published(peers, code="c-q1", period="2026-Q1")
    app.state.clock = lambda: datetime(2026, 7, 1, tzinfo=VIETNAM)
    await make.sheet({"q1": {"5": 9}, "q2": {"5": 9}}, 9, agency="A2", period="2026-07")
    await frozen(peers, code="d-q3", period="2026-Q3")

    async def latest(**query):
        answer = await anonymous.get("/v1/editions/latest", params=query)
        assert answer.status_code == 200, answer.text
        where = answer.headers["Content-Location"]
        direct = await anonymous.get(where)
        assert (direct.content, direct.headers["etag"]) == (answer.content, answer.headers["etag"])
        assert answer.headers["Cache-Control"] == "public, no-cache"
        return where.removeprefix("/v1/editions/")

    assert await latest(peer_group="g") == await latest() == "b-q2"
    assert await latest(peer_group="h") == "a-h"
    await published(peers, code="a-q2", period="2026-Q2", supersedes="b-q2", reason="Sửa")
    assert await latest(peer_group="g") == await latest() == "a-q2"
    await publish(peers, "d-q3")
    assert await latest() == "d-q3"
    withdrawn = {"supersedes": "d-q3", "reason": "Rút lại", "minimum_n": 100}
    await published(peers, code="e-q3", period="2026-Q3", **withdrawn)
    assert await latest() == await latest(peer_group="g") == "a-q2"
    unknown = await anonymous.get("/v1/editions/latest", params={"peer_group": "none"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "edition-not-found")


async def test_a_period_is_frozen_once_it_has_begun_in_vietnam(peers, app):
    app.state.clock = lambda: datetime(2026, 6, 30, 16, 59, tzinfo=UTC)
    for period in ("2026-Q3", "2026-07", "2027"):
        faults = await refused(peers, 422, period=period)
        assert faults == [("/period", "period-not-begun")]
    vi = {"Accept-Language": "vi"}
    answer = await peers.post("/v1/editions", json=ASKED | {"period": "2026-Q3"}, headers=vi)
    assert "01/07/2026" in answer.json()["errors"][0]["detail"]
    app.state.clock = lambda: datetime(2026, 6, 30, 17, 0, tzinfo=UTC)
    await frozen(peers, period="2026-Q3")


async def test_an_edition_without_a_ranked_figure_is_published_only_in_place_of_another(
    peers, anonymous
):
    await frozen(peers, minimum_n=100)
    answer = await peers.post("/v1/editions/e-2026/publish")
    assert (answer.status_code, answer.json()["code"]) == (409, "edition-empty")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        ("/path/edition", "edition-empty")
    ]
    assert (await anonymous.get("/v1/editions/e-2026")).status_code == 404
    unknown = await peers.post("/v1/editions/none/publish")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "edition-not-found")
    assert (await peers.post("/v1/editions/e-2026/discard")).status_code == 204
    await published(peers)
    await published(peers, **REVISED, minimum_n=100)
    assert (await document(anonymous, "e-2026-b"))["rankings"][0]["rows"] == []
    none = await anonymous.get("/v1/editions/latest")
    assert (none.status_code, none.json()["errors"][0]["code"]) == (404, "no-edition-yet")


async def test_drafts_are_listed_for_keys_of_editions(peers, make, anonymous, app):
    moment = app.state.clock()
    for number in range(5):
        app.state.clock = lambda number=number: moment.replace(minute=number // 2)
        await frozen(peers, code=f"e-{number}")
    await publish(peers, "e-3")
    seen, path = [], "/v1/editions?state=draft&limit=2"
    writer = await make.caller("editions:write")
    while path:
        answer = await writer.get(path)
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Authorization" in answer.headers["Vary"]
        seen.append([one["code"] for one in answer.json()["items"]])
        link = answer.headers.get("Link")
        path = link and link.removeprefix("<").removesuffix('>; rel="next"')
    assert seen == [["e-4", "e-2"], ["e-1", "e-0"]]
    (listed,) = (await anonymous.get("/v1/editions?state=published")).json()["items"]
    page = (await writer.get("/v1/editions?state=draft")).json()
    assert set(page["items"][0]) == set(listed)
    assert {(one["state"], one["published_at"]) for one in page["items"]} == {("frozen", None)}
    for form in page["items"][0]["distribution"]:
        assert (await writer.get(form["download_url"])).status_code == 200
    others = await make.caller("indices:read", "catalogue:write")
    for reader, status, code in (
        (anonymous, 401, "credential-missing"),
        (others, 403, "scope-missing"),
    ):
        answer = await reader.get("/v1/editions?state=draft")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    for query in ("state=draft&cursor=e-3", "state=frozen"):
        assert (await writer.get(f"/v1/editions?{query}")).status_code == 422


async def test_a_limited_key_is_told_only_of_drafts_that_are_all_its_own(peers, make):
    await make.peer_group("h", "A1", "A2")
    await make.put("/v1/peer-groups/none", {"name": {"vi": "Khối"}, "members": []})
    for code in ("own-1", "own-2", "own-3"):
        await frozen(peers, code=code, peer_group="h")
        await frozen(peers, code=f"{code}-not")
    await frozen(await holder(make, "somebody", "A3"), code="nobody", peer_group="none")
    own = await make.caller("editions:write", agencies={"A1", "A2"})
    seen, path = [], "/v1/editions?state=draft&limit=2"
    while path:
        answer = (await own.get(path)).json()
        seen.append([one["code"] for one in answer["items"]])
        following = answer["next_cursor"]
        path = following and f"/v1/editions?state=draft&limit=2&cursor={following}"
    assert seen == [["own-3", "own-2"], ["own-1"]]
    author = await holder(make, "author", "A1")
    await frozen(author, code="mine", peer_group="none")
    listed = (await author.get("/v1/editions?state=draft")).json()["items"]
    assert [one["code"] for one in listed] == ["mine"]


async def test_a_draft_is_hidden_from_all_who_could_not_have_frozen_it(peers, make, anonymous):
    await frozen(peers)
    await published(peers, code="other")
    others = await make.caller("indices:read", "catalogue:read", "ratings:read")
    for reader in (anonymous, others):
        for path in ("", "/datapackage.zip", "/rankings/overall", "/indices/A1"):
            answer = await reader.get(f"/v1/editions/e-2026{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "edition-not-found")
        listed = (await reader.get("/v1/editions")).json()["items"]
        assert [one["code"] for one in listed] == ["other"]
    for path in ("e-2026/differences", "other/differences?against=e-2026"):
        hidden = await others.get(f"/v1/editions/{path}")
        assert (hidden.status_code, hidden.json()["code"]) == (404, "edition-not-found")
    writer = await make.caller("editions:write")
    seen = await writer.get("/v1/editions/e-2026")
    assert (seen.status_code, seen.headers["Cache-Control"]) == (200, "private, no-cache")
    held = {"If-None-Match": seen.headers["etag"]}
    assert (await writer.get("/v1/editions/e-2026", headers=held)).status_code == 304
    unknown = {"Authorization": "Bearer hl_of-nobody"}
    assert (await anonymous.get("/v1/editions/e-2026", headers=unknown)).status_code == 401
    assert (await differences(await make.caller("editions:write", "indices:read")))["items"] == []


async def test_freezing_and_publishing_need_the_scope_of_editions(peers, make, anonymous):
    others = await make.caller("indices:read", "catalogue:write", "ratings:write")
    for path in ("", "/e-2026/publish"):
        assert (await anonymous.post(f"/v1/editions{path}", json=ASKED)).status_code == 401
        answer = await others.post(f"/v1/editions{path}", json=ASKED)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert (await peers.get("/v1/editions/e-2026")).status_code == 404


async def test_a_key_of_some_agencies_freezes_only_what_is_all_theirs(peers, make):
    own = await make.caller("editions:write", "indices:read", agencies={"A1", "A2"})
    answer = await own.post("/v1/editions", json=ASKED)
    assert (answer.status_code, answer.json()["code"]) == (403, "agency-not-allowed")
    assert answer.json()["errors"][0]["pointer"] == "/peer_group"
    await make.peer_group("h", "A1", "A2")
    await frozen(own, code="own", peer_group="h")
    assert (await own.get("/v1/editions/own")).status_code == 200
    alone = await own.post("/v1/editions/own/publish")
    assert (alone.status_code, alone.json()["code"]) == (403, "agency-not-allowed")
    await frozen(peers)
    for path in ("e-2026", "e-2026/differences", "own/differences?against=e-2026"):
        answer = await own.get(f"/v1/editions/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "agency-not-allowed")
    await make.peer_group("h", "A1", "A2", "A3")
    answer = await own.get("/v1/editions/own/differences")
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["pointer"] == "/path/edition"


async def test_published_editions_are_listed_a_page_at_a_time(peers, anonymous, app):
    moment = app.state.clock()
    for number in range(5):
        app.state.clock = lambda number=number: moment.replace(minute=number // 2)
        await published(peers, code=f"e-{number}")
    await frozen(peers, code="draft")
    seen, path = [], "/v1/editions?limit=2"
    while path:
        answer = await anonymous.get(path, headers=EN)
        page = answer.json()
        seen.append([one["code"] for one in page["items"]])
        link = answer.headers.get("Link")
        assert (link is None) == (page["next_cursor"] is None)
        path = link and link.removeprefix("<").removesuffix('>; rel="next"')
        assert page["next_cursor"] == (path and seen[-1][-1])
    assert seen == [["e-4", "e-3"], ["e-2", "e-1"], ["e-0"]]
    whole = (await anonymous.get("/v1/editions")).json()
    assert [one["code"] for one in whole["items"]] == [code for page in seen for code in page]
    for unknown in ("draft", "none"):
        answer = await anonymous.get("/v1/editions", params={"cursor": unknown})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
        faults = [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]
        assert faults == [("/query/cursor", "bad-cursor")]


async def test_data_catalogues_read_the_list_as_datasets(peers, anonymous):
    title = {"vi": "Quý I năm 2026", "en": "First quarter of 2026"}
    await published(peers, title=title)
    answers = {
        language: await anonymous.get("/v1/editions", headers={"Accept-Language": language})
        for language in ("vi", "en")
    }
    for language, answer in answers.items():
        assert "Accept-Language" in answer.headers["Vary"]
        (one,) = answer.json()["items"]
        assert one["name"] == title[language]
    page = answers["en"].json()
    assert page["name"] == "Published editions of satisfaction figures"
    assert page["@type"] == "dcat:Catalog"
    context = page["@context"]
    assert (context["dcat"], context["items"]) == ("http://www.w3.org/ns/dcat#", "dcat:dataset")
    assert one["@type"] == "dcat:Dataset"
    period = {"first": "2026-01-01", "last": "2026-12-31"}
    assert one["temporal"] == {"@type": "dcterms:PeriodOfTime", **period}
    for form in one["distribution"]:
        given = await anonymous.get(form["download_url"])
        assert given.status_code == 200
        assert given.headers["content-type"] == form["media_type"]
    plain = {"@context", "@type", "name", "items", "next_cursor"}
    assert plain <= set(page)
    used = {name for name, value in context.items() if not str(value).startswith("http")}
    assert {"name", "url", "published_at", "supersedes", "superseded_by"} <= used


async def test_the_data_package_is_whole_and_always_the_same(peers, anonymous, another):
    made = await published(peers)
    packed = await content(anonymous, "e-2026/datapackage.zip")
    assert packed == await content(another, "e-2026/datapackage.zip")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(folder)
        report = frictionless.validate(folder / "datapackage.json", type="package")
        assert report.flatten(["type", "message"]) == []
        whole = (folder / "edition.json").read_bytes()
        rows = list(csv.DictReader(io.StringIO((folder / "figures.csv").read_text("utf-8"))))
    assert whole == await content(anonymous)
    assert made["digest"] == f"sha-256:{hashlib.sha256(whole).hexdigest()}"
    figures = figures_of(json.loads(whole))
    assert len(rows) == len(figures)
    for row in rows:
        figure = figures[row["unit"], row["criterion"]]
        assert row["value"] == ("" if figure["value"] is None else str(figure["value"]))
        assert (row["status"], row["edition"]) == (figure["status"], "e-2026")


async def test_a_published_table_is_had_as_csv(peers, anonymous):
    await published(peers)
    answer = await anonymous.get("/v1/editions/e-2026/rankings/overall", headers=CSV)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-length"] == str(len(answer.content))
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["rank"], row["agency"], row["value"], row["edition"]) for row in rows] == [
        ("1", "A2", "90.0", "e-2026"),
        ("2", "A1", "70.0", "e-2026"),
        ("2", "A3", "70.0", "e-2026"),
        ("", "A4", "", "e-2026"),
    ]
    answer = await anonymous.get("/v1/editions/e-2026/indices/A2", headers=CSV)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["criterion"], row["value"]) for row in rows] == [
        ("overall", "90.0"),
        ("access", "90.0"),
        ("attitude", "90.0"),
    ]


async def test_who_holds_what_was_published_is_not_sent_it_again(peers, anonymous):
    await published(peers)
    negotiated = {"Accept", "Accept-Language"}
    for path, headers, varies in (
        ("", {}, set()),
        ("/datapackage.zip", {}, set()),
        ("/rankings/overall", {}, negotiated),
        ("/rankings/overall", CSV, negotiated),
        ("/indices/A1", {}, negotiated),
        ("/indices/A1", CSV, negotiated),
    ):
        where = f"/v1/editions/e-2026{path}"
        answer = await anonymous.get(where, headers=headers)
        tag = answer.headers["ETag"]
        assert tag.startswith('"')
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        assert set(answer.headers.get("Vary", "").replace(" ", "").split(",")) - {""} == varies
        again = await anonymous.get(where, headers=headers | {"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        other = await anonymous.get(where, headers=headers | {"If-None-Match": '"other"'})
        assert other.status_code == 200


async def test_languages_and_forms_of_a_ranking_have_tags_of_their_own(peers, anonymous):
    await published(peers)
    tags = set()
    for headers in ({}, EN, CSV, EN | CSV):
        answer = await anonymous.get("/v1/editions/e-2026/rankings/overall", headers=headers)
        tags.add(answer.headers["ETag"])
    assert len(tags) == 4


async def test_the_digest_of_what_is_sent_is_in_its_header(peers, anonymous):
    await published(peers)
    for path in ("e-2026", "latest"):
        answer = await anonymous.get(f"/v1/editions/{path}")
        found = answer.headers["Repr-Digest"].removeprefix("sha-256=:").removesuffix(":")
        assert base64.b64decode(found) == hashlib.sha256(answer.content).digest()


REFUSALS = [
    ({"peer_group": "none"}, 404, [("/peer_group", "peer-group-not-found")]),
    ({"surveys": ["s1", "none"]}, 404, [("/surveys", "survey-not-found")]),
    ({"earlier_surveys": ["none"]}, 404, [("/earlier_surveys", "survey-not-found")]),
    ({"method": "best-guess@1"}, 404, [("/method", "method-not-found")]),
    ({"method": "as-published@1"}, 422, [("/method", "not-allowed")]),
    ({"base": "forms", "method": "mean-score@1"}, 422, [("/base", "not-allowed")]),
    (
        {"view": "today", "method": "qd766-dossier@1", "surveys": []},
        422,
        [("/view", "not-allowed")],
    ),
    ({"source": "sipas"}, 422, [("", "one-of-survey-or-source")]),
    ({"surveys": []}, 422, [("", "one-of-survey-or-source")]),
    ({"method": "qd766-dossier@1"}, 422, [("", "counts-dossiers")]),
    ({"source": "sipas", "surveys": [], "base": "forms"}, 422, [("/base", "not-allowed")]),
    (
        {"source": "sipas", "surveys": [], "earlier_surveys": ["s1"]},
        422,
        [("/earlier_surveys", "only-with-surveys")],
    ),
    (
        {"supersedes": "e-2025"},
        422,
        [("/reason", "missing"), ("/supersedes", "edition-not-found")],
    ),
    ({"reason": "Sửa số liệu"}, 422, [("/supersedes", "missing")]),
    (
        {"supersedes": "e-2025", "reason": " \n"},
        422,
        [("/reason", "blank"), ("/supersedes", "edition-not-found")],
    ),
    (
        {"supersedes": "e-2026", "reason": "Sửa"},
        422,
        [("/supersedes", "supersedes-itself")],
    ),
    ({"code": "latest"}, 422, [("/code", "reserved-code")]),
    ({"code": "2026/q1"}, 422, [("/code", "bad-code")]),
    ({"code": "bản-công-bố"}, 422, [("/code", "bad-code")]),
    ({"period": "2026-Q5"}, 422, [("/period", "bad-period")]),
    ({"period": "quý I"}, 422, [("/period", "bad-period")]),
    ({"title": {"vi": "x" * 501}}, 422, [("/title/vi", "too-long")]),
    ({"title": {"en": "Title"}}, 422, [("/title/vi", "missing")]),
    ({"title": {"vi": "\u0000"}}, 422, [("/title/vi", "bad-text")]),
    ({"decimals": 3}, 422, [("/decimals", "too-large")]),
    ({"decimals": "2"}, 422, [("/decimals", "wrong-type")]),
    ({"rounding": "up"}, 422, [("/rounding", "not-allowed")]),
    ({"minimum_n": 0}, 422, [("/minimum_n", "too-small")]),
    ({"reason": "x" * 4001}, 422, [("/reason", "too-long")]),
    ({"published_at": "2026-01-01"}, 422, [("/published_at", "unknown-field")]),
]


async def test_what_cannot_be_frozen_is_refused(peers):
    for fields, status, faults in REFUSALS:
        assert await refused(peers, status, **fields) == faults, fields


async def test_every_fault_of_form_is_named_at_once(peers):
    fields = {"code": "a/b", "title": {}, "period": "x", "decimals": 9, "view": "past", "who": 1}
    assert {pointer for pointer, _ in await refused(peers, 422, **fields)} == {
        "/code",
        "/title/vi",
        "/period",
        "/decimals",
        "/view",
        "/who",
    }


async def test_all_that_contradicts_the_data_is_named_at_once(peers):
    fields = {
        "peer_group": "none",
        "surveys": ["none"],
        "earlier_surveys": ["none-before"],
        "method": "best-guess@1",
        "supersedes": "e-2025",
    }
    assert {pointer for pointer, _ in await refused(peers, 422, **fields)} == {
        "/peer_group",
        "/surveys",
        "/earlier_surveys",
        "/method",
        "/supersedes",
        "/reason",
    }


async def test_what_was_not_published_is_not_found(peers, anonymous):
    await published(peers)
    for path, code in (
        ("none", "edition-not-found"),
        ("none/datapackage.zip", "edition-not-found"),
        ("e-2026/rankings/parking", "criterion-not-found"),
        ("e-2026/indices/A9", "agency-not-found"),
    ):
        answer = await anonymous.get(f"/v1/editions/{path}", headers=EN)
        assert (answer.status_code, answer.json()["code"]) == (404, code), path


async def test_an_edition_says_nothing_of_any_person(make, client):
    await make.agency("A1")
    await make.put("/v1/agencies/A1/counters/Q05", {"name": {"vi": "Quầy bí mật"}})
    await make.peer_group("g", "A1")
    await make.survey("s1")
    dossiers = []
    for number in range(6):
        officer = f"officer-{number}"
        dossiers.append(await make.dossier("A1", officer=officer, counter="Q05"))
        rated = await make.rate(
            {"q1": "5", "q2": "1"}, dossier=dossiers[-1], comment="Ông Nguyễn Văn A", counter="Q05"
        )
        assert rated.status_code == 201, rated.text
    for method in ("top2-share@1", "qd766-dossier@1"):
        fields = {"code": method.partition("@")[0], "method": method}
        await published(client, **fields, surveys=["s1"] if method == "top2-share@1" else [])
        whole = (await content(client, fields["code"])).decode()
        packed = await content(client, f"{fields['code']}/datapackage.zip")
        for secret in ("officer", "Nguyễn", "Q05", "bí mật", *dossiers):
            assert secret not in whole
            assert secret.encode() not in packed
        made = json.loads(whole)
        assert figures_of(made)["A1", "overall"]["n"] == 6
        assert "test" not in {made.get("frozen_by"), made.get("published_by")}


async def test_a_group_without_agencies_has_an_edition_without_figures(make, client):
    await make.put("/v1/peer-groups/g", {"name": {"vi": "Khối"}, "members": []})
    await make.agency("A1")
    await make.survey("s1")
    await frozen(client)
    made = await document(client)
    check(made)
    assert made["agencies"] == []
    (ranking,) = made["rankings"]
    assert (ranking["rows"], ranking["peer_count"], ranking["total"]) == ([], 0, None)


async def test_an_edition_of_few_people_can_be_read_when_it_takes_the_place_of_another(peers):
    await published(peers)
    await published(peers, **REVISED, minimum_n=100)
    ranking = (await peers.get("/v1/editions/e-2026-b/rankings/overall")).json()
    assert (ranking["rows"], ranking["peer_count"], ranking["total"]) == ([], 4, None)
    assert (await peers.get("/v1/editions/e-2026-b/datapackage.zip")).status_code == 200


async def test_indices_of_an_edition_name_the_place_in_its_rankings(peers, anonymous):
    await published(peers)
    for agency, rank in (("A1", 2), ("A2", 1), ("A3", 2), ("A4", None)):
        answer = (await anonymous.get(f"/v1/editions/e-2026/indices/{agency}")).json()
        places = {one["code"]: (one["rank"], one["peer_count"]) for one in answer["figures"]}
        assert places == dict.fromkeys(("overall", "access", "attitude"), (rank, 4))


async def test_agencies_without_forms_stand_beside_the_others(peers, make):
    await make.agency("A5")
    await make.agency("A6")
    await make.peer_group("g", "A2", "A5", "A6")
    await make.survey("s1", "A2", "A5", agencies=["A2", "A5"])
    await published(peers)
    made = await document(peers)
    check(made)
    statuses = {agency: one["status"] for (agency, _), one in figures_of(made).items()}
    assert statuses == {"A2": "ok", "A5": "pending", "A6": "not_asked"}
    answer = (await peers.get("/v1/editions/e-2026/indices/A6")).json()
    assert {figure["status"] for figure in answer["figures"]} == {"not_asked"}


async def test_texts_are_kept_in_composed_form(peers):
    await published(peers, title={"vi": "Ha\u0300i lo\u0300ng", "en": " Satisfied "})
    title = (await document(peers))["title"]
    assert title == {"vi": "Hài lòng", "en": "Satisfied"}


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_published_ranking_reads_like_a_live_one(peers, make, anonymous, language):
    await make.put("/v1/targets/g/2026/overall", {"value": 66.6})
    more = {"q1": {"5": 13}, "q2": {"5": 1}}
    reason = [{"pointer": "/counts/q1", "reason": "như đã công bố"}]
    answer = await make.sheet(more, 12, agency="A2", accept=reason)
    assert answer.status_code == 201, answer.text
    headers = {"Accept-Language": language}
    for method in set(OF_ANSWERS) - {UNASKED}:
        code = method.replace("@", "-")
        await published(peers, code=code, method=method)
        query = {"peer_group": "g", "survey": "s1", "period": "2026", "method": method}
        for criterion in (one["code"] for one in (await document(peers, code))["criteria"]):
            wanted = query | {"criterion": criterion}
            live = (await peers.get("/v1/rankings", params=wanted, headers=headers)).json()
            # An edition counts no options.
            live["total"] = live["total"] and live["total"] | {"options": []}
            path = f"/v1/editions/{code}/rankings/{criterion}"
            answer = (await anonymous.get(path, headers=headers)).json()
            assert answer == live | {"edition": code}


RATED = {"q1": "5", "q2": "1"}


async def test_a_published_total_says_what_the_live_one_says(peers, make, anonymous):
    whole_year = {"agencies": None, "closes_on": "2026-12-31"}
    await make.survey("s1", peer_group="g", **whole_year)
    # Of few people, and so not ranked, is A4: its forms and dossiers are not in the total.
    for agency, issued, returned in (("A1", 40, 15), ("A2", 20, 12), ("A3", 20, 13), ("A4", 9, 2)):
        body = {"issued": issued, "returned": returned, "invalid": 0}
        await make.put(f"/v1/surveys/s1/distributions/{agency}/paper", body)
    for agency, rated in (("A1", True), ("A2", False), ("A3", False), ("A4", True)):
        dossier = await make.dossier(agency)
        if rated:
            answer = await make.rate(RATED, agency=agency, dossier=dossier)
            assert answer.status_code == 201, answer.text
    await published(peers)
    query = {"peer_group": "g", "survey": "s1", "period": "2026"}
    for criterion in ("overall", "access", "attitude"):
        live = (await peers.get("/v1/rankings", params=query | {"criterion": criterion})).json()
        path = f"/v1/editions/e-2026/rankings/{criterion}"
        total = (await anonymous.get(path, headers=EN)).json()["total"]
        assert total == live["total"]
        assert (total["response_rate"], total["share_rated"]) == (50.0, 33.33)
    await make.survey("s2", peer_group="g", **whole_year)
    await make.sheet({"q1": {"5": 9}, "q2": {"5": 9}}, 9, survey="s2", agency="A2")
    await published(peers, code="unrecorded", surveys=["s1", "s2"])
    path = "/v1/editions/unrecorded/rankings/overall"
    total = (await anonymous.get(path)).json()["total"]
    assert (total["response_rate"], total["share_rated"]) == (None, 33.33)


async def test_what_a_source_printed_speaks_for_no_dossiers_of_ours(make, client, anonymous):
    await make.agency("A1")
    await make.peer_group("g", "A1")
    await printed(make, "A1", "81.50", 2)
    await make.dossier("A1")
    await published(client, source="sipas", surveys=[])
    query = {"peer_group": "g", "source": "sipas", "period": "2026"}
    live = (await client.get("/v1/rankings", params=query)).json()
    answer = (await anonymous.get("/v1/editions/e-2026/rankings/overall", headers=EN)).json()
    assert answer == live | {"edition": "e-2026"}
    answer = (await anonymous.get("/v1/editions/e-2026/indices/A1")).json()
    assert (answer["dossiers"]["returned"], answer["dossiers"]["share_rated"]) == (1, 0.0)
    assert {figure["share_rated"] for figure in answer["figures"]} == {None}


async def test_a_revision_that_only_rounds_otherwise_differs_in_nothing(peers):
    await published(peers)
    await frozen(peers, code="rounded", decimals=0, supersedes="e-2026", reason="Làm tròn")
    assert (await differences(peers, against="rounded"))["items"] == []


async def test_only_editions_of_the_same_peers_and_months_are_compared(peers):
    await published(peers)
    await frozen(peers, code="other", period="2025")
    answer = await peers.get("/v1/editions/e-2026/differences", params={"against": "other"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/query/against"]


async def test_what_was_frozen_can_be_discarded_until_it_is_published(peers, make):
    await frozen(peers)
    reader = await make.caller("indices:read", "catalogue:write")
    assert (await reader.post("/v1/editions/e-2026/discard")).status_code == 403
    assert (await peers.post("/v1/editions/e-2026/discard")).status_code == 204
    gone = await peers.get("/v1/editions/e-2026")
    assert (gone.status_code, gone.json()["code"]) == (404, "edition-not-found")
    await published(peers)
    kept = await peers.post("/v1/editions/e-2026/discard")
    assert (kept.status_code, kept.json()["code"]) == (409, "edition-published")
    unknown = await peers.post("/v1/editions/none/discard")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "edition-not-found")


async def test_an_edition_says_whether_its_period_was_over_when_it_was_frozen(peers):
    await frozen(peers)
    await frozen(peers, code="e-2025", period="2025")
    over = [(await peers.get(f"/v1/editions/{e}")).json() for e in ("e-2026", "e-2025")]
    assert [document["period_over"] for document in over] == [False, True]


async def test_an_edition_by_means_says_what_each_criterion_weighs(peers):
    await frozen(peers, method="mean-of-criteria@1")
    await frozen(peers, code="pooled")
    weights = [
        {
            one["code"]: one["weight"]
            for one in (await peers.get(f"/v1/editions/{e}")).json()["criteria"]
        }
        for e in ("e-2026", "pooled")
    ]
    assert weights == [
        {"overall": None, "access": 1, "attitude": 1},
        {"overall": None, "access": None, "attitude": None},
    ]


async def test_a_limited_key_is_not_told_of_what_others_froze(peers, make):
    await frozen(peers)
    limited = await make.caller("editions:write", agencies={"A1"})
    again = await limited.post("/v1/editions", json=ASKED)
    assert (again.status_code, again.json()["code"]) == (403, "agency-not-allowed")


async def holder(make, name, *agencies):
    """A caller of that name whose key is limited to the agencies."""
    key = f"hl_{name}"
    await keys.create(make.session, key, Caller(name, SCOPES, frozenset(agencies)), make.now, None)
    await make.session.commit()
    return make.with_key(key)


async def test_a_draft_without_agencies_is_its_authors_and_those_whose_key_is_not_limited(
    make, client
):
    await make.agency("A1")
    await make.survey("s1")
    await make.put("/v1/peer-groups/g", {"name": {"vi": "Khối"}, "members": []})
    author, other = await holder(make, "author", "A1"), await holder(make, "other", "A1")
    await frozen(author)
    for reader in (author, client):
        assert (await reader.get("/v1/editions/e-2026")).status_code == 200
    for path in ("e-2026", "e-2026/differences"):
        answer = await other.get(f"/v1/editions/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "agency-not-allowed")
    again = await other.post("/v1/editions", json=ASKED)
    assert (again.status_code, again.json()["code"]) == (403, "agency-not-allowed")


async def test_a_cache_answers_nobody_with_a_draft_nor_its_author_that_there_is_none(
    peers, anonymous
):
    await frozen(peers)

    async def varies(reader):
        answer = await reader.get("/v1/editions/e-2026")
        return answer.status_code, "Authorization" in answer.headers.get("Vary", "")

    assert await varies(peers) == (200, True)
    assert await varies(anonymous) == (404, True)
    refusal = await anonymous.get("/v1/editions/e-2026", headers=EN)
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert "Accept-Language" in refusal.headers["Vary"]
    await publish(peers, "e-2026")
    assert await varies(peers) == await varies(anonymous) == (200, False)
