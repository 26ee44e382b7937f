"""The official profiles over HTTP: by hand, at their borders, and apart from everything else."""

import pytest
from factories import five_levels, option, questionnaire

QD766, TT01 = "qd766-dossier@1", "tt01-2018@1"
QUERY = {"agency": "A1", "period": "2026"}
LATE = {"due_at": "2026-06-14T17:00:00+07:00"}
SAME_DAY = {"due_at": "2026-06-15T17:00:00+07:00"}
ENTERED = "/v1/agencies/A1/self-assessments/2026"
FULL = {
    "points": {"5": 2, "6": 2, "8": 2, "9": 2},
    "counts": {"2": [10, 0, 0], "3": [10, 0, 0], "4": [10, 0, 0]},
}


@pytest.fixture
async def department(make, client):
    await make.agency()
    await make.survey()
    return client


async def indices(client, **query):
    answer = await client.get("/v1/indices", params=QUERY | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def overall(client, **query):
    (figure,) = (await indices(client, **query))["figures"]
    return figure


async def by_code(client, **query):
    return {one["code"]: one for one in (await indices(client, by="criterion", **query))["figures"]}


async def rated(make, dossier, level):
    """The dossier, rated with this level."""
    answer = await make.rate({"q1": level, "q2": "5"}, dossier=dossier)
    assert answer.status_code == 201, answer.text


@pytest.fixture
async def dossiers(department, make):
    """Ten returned dossiers: three late, three badly rated, one of them both; three unrated."""
    late = [await make.dossier(**LATE) for _ in range(3)]
    on_time = [await make.dossier() for _ in range(7)]
    for dossier, level in ((late[0], "1"), (on_time[0], "2"), (on_time[1], "1")):
        await rated(make, dossier, level)
    for dossier, level in ((late[1], "5"), (on_time[2], "3"), (on_time[3], "4"), (on_time[4], "5")):
        await rated(make, dossier, level)
    await make.dossier(returned=False)
    return department


async def test_unrated_dossiers_count_as_satisfied_and_late_and_bad_ones_are_subtracted_once(
    dossiers,
):
    answer = await indices(dossiers, method=QD766)
    (figure,) = answer["figures"]
    told = ("value", "numerator", "denominator", "n", "status", "ci_low", "ci_high")
    assert [figure[name] for name in told] == [50.0, 5, 10, 10, "ok", None, None]
    assert [finding["code"] for finding in figure["findings"]] == ["feedback-not-recorded"]
    assert figure["share_rated"] == 70.0
    assert answer["method"]["regime"] == "qd766"
    assert answer["method"]["unit"] == "percent"
    assert (answer["dossiers"]["returned"], answer["dossiers"]["late"]) == (10, 3)
    assert (await indices(dossiers, method="top2-share@1", survey="s1"))["method"]["regime"] == (
        "ratings"
    )


async def test_targets_for_satisfied_people_judge_no_dossiers_and_no_points(dossiers, make):
    await make.put("/v1/targets/A1/2026/overall", {"value": 60})
    await make.put("/v1/targets/A1/2026/5", {"value": 90})
    for body in (FULL, {"points": {}}):
        await make.put(ENTERED, body)
        figures = [
            await overall(dossiers, method=QD766),
            await overall(dossiers, method=TT01),
            *(await by_code(dossiers, method=TT01)).values(),
        ]
        told = ("target", "gap", "met")
        assert {tuple(figure[name] for name in told) for figure in figures} == {(None, None, None)}
    await make.peer_group("g", "A1")
    query = {"peer_group": "g", "period": "2026", "method": QD766}
    (row,) = (await dossiers.get("/v1/rankings", params=query)).json()["rows"]
    assert (row["value"], row["target"], row["met"]) == (50.0, None, None)


async def test_too_few_raters_are_not_given_away_by_the_dossiers(department, make):
    found = [await make.dossier() for _ in range(10)]
    assert (await overall(department, method=QD766))["value"] == 100.0
    for dossier in found[:4]:
        await rated(make, dossier, "1")
        figure = await overall(department, method=QD766)
        assert (figure["status"], figure["value"], figure["numerator"]) == ("too_few", None, None)
    await rated(make, found[4], "1")
    assert (await overall(department, method=QD766))["value"] == 50.0


async def test_exactly_15_points_are_excellent_in_both_languages(department, make):
    for _ in range(5):
        await make.dossier()
    counts = {"2": [5, 5, 0], "3": [5, 5, 0], "4": [0, 10, 0]}
    await make.put(ENTERED, {"points": {"5": 2, "6": 2, "8": 2, "9": 1}, "counts": counts})
    said = {}
    for language in ("vi", "en"):
        department.headers["Accept-Language"] = language
        answer = await indices(department, method=TT01)
        (figure,) = answer["figures"]
        assert (figure["value"], figure["status"]) == (15.0, "ok")
        assert (answer["method"]["regime"], answer["method"]["unit"]) == ("tt01-2018", "points")
        said[language] = [(one["code"], one["detail"]) for one in figure["findings"]]
    assert said == {
        "vi": [("grade-excellent", "Xếp loại: Xuất sắc (từ 15 điểm trở lên).")],
        "en": [("grade-excellent", "Class: Excellent (15 points or more).")],
    }
    await make.put(ENTERED, {"points": {"5": 2, "6": 2, "8": 2, "9": 0}, "counts": counts})
    figure = await overall(department, method=TT01)
    assert (figure["value"], figure["findings"][0]["code"]) == (14.0, "grade-good")


async def test_the_nine_indices_by_hand(department, make):
    early, same_day = [await make.dossier() for _ in range(4)], await make.dossier(**SAME_DAY)
    late = [await make.dossier(**LATE) for _ in range(2)]
    complaints = [early[0], same_day, late[0]]
    counts = {"2": [6, 3, 1], "3": [0, 0, 3], "4": [2, 0, 1]}
    await make.put(ENTERED, {**FULL, "counts": counts, "complaints": complaints})
    found = await by_code(department, method=TT01)
    assert {code: one["value"] for code, one in found.items()} == {
        "1": 1.3,  # (4 x 2 + 1) / 7
        "2": 1.5,
        "3": 0.0,
        "4": 1.3,
        "5": 2.0,
        "6": 2.0,
        "7": 0.9,  # less 2 and 1 points: 6 / 7
        "8": 2.0,
        "9": 2.0,
    }
    assert (found["1"]["numerator"], found["1"]["denominator"]) == (9, 7)
    assert (found["7"]["numerator"], found["7"]["denominator"]) == (6, 7)
    assert (await overall(department, method=TT01))["value"] == 13.0


async def test_missing_indices_are_named_and_never_taken_as_zero(department, make):
    figure = await overall(department, method=TT01)
    assert (figure["status"], figure["value"]) == ("pending", None)
    (missing,) = figure["findings"]
    assert (missing["code"], "1, 2, 3, 4, 5, 6, 7, 8, 9" in missing["detail"]) == (
        "indices-missing",
        True,
    )
    for _ in range(5):
        await make.dossier()
    await make.put(ENTERED, {"points": {"5": 0, "6": 2, "8": 2}, "counts": FULL["counts"]})
    (missing,) = (await overall(department, method=TT01))["findings"]
    assert "9" in missing["detail"]
    assert "5" not in missing["detail"]
    found = await by_code(department, method=TT01)
    assert (found["5"]["value"], found["5"]["status"]) == (0.0, "ok")
    assert (found["9"]["value"], found["9"]["status"]) == (None, "pending")


def two_one_none(code):
    options = [option(str(score), score=score) for score in (2, 1, 0)]
    return {"code": code, "text": {"vi": code}, "options": options}


async def test_what_a_survey_asks_comes_before_what_the_agency_says_of_itself(department, make):
    form = questionnaire(("tt01-3", [two_one_none("q1")]), ("tt01-4", [two_one_none("q2")]))
    await make.survey("s2", "A1", form=form)
    for _ in range(5):
        await make.dossier()
    await make.put(ENTERED, FULL)
    assert (await overall(department, method=TT01))["value"] == 18.0
    counts = {"q1": {"2": 5, "1": 3, "0": 2}, "q2": {"2": 3, "0": 2}}
    assert (await make.sheet(counts, 10, survey="s2")).status_code == 201
    found = await by_code(department, method=TT01, survey="s2")
    assert [found["3"][name] for name in ("value", "n", "status")] == [1.3, 10, "ok"]
    assert [found["4"][name] for name in ("value", "n", "status")] == [1.2, 5, "ok"]
    assert (await overall(department, method=TT01, survey="s2"))["value"] == 16.5
    assert (await overall(department, method=TT01))["value"] == 18.0


async def test_answers_on_another_scale_are_no_index_and_hide_none(department, make):
    await make.survey("s2", "A1", form=questionnaire(("tt01-3", [five_levels("q1")])))
    await make.put(ENTERED, FULL)
    await make.sheet({"q1": {"5": 3}}, 3, survey="s2")
    found = await by_code(department, method=TT01, survey="s2")
    assert [found["3"][name] for name in ("value", "n", "status")] == [2.0, 10, "ok"]


async def test_an_index_of_few_answers_takes_another_along_and_the_total(department, make):
    form = questionnaire(("tt01-3", [two_one_none("q1")]), ("tt01-4", [two_one_none("q2")]))
    await make.survey("s2", "A1", form=form)
    await make.put(ENTERED, FULL)
    await make.sheet({"q1": {"2": 5, "1": 5}, "q2": {"2": 2, "0": 2}}, 10, survey="s2")
    found = await by_code(department, method=TT01, survey="s2")
    told = ("value", "numerator", "n", "status")
    assert [found["3"][name] for name in told] == [None, None, 10, "suppressed"]
    assert [found["4"][name] for name in told] == [None, None, 4, "too_few"]
    figure = await overall(department, method=TT01, survey="s2")
    assert (figure["status"], figure["value"]) == ("pending", None)


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ({"method": QD766, "survey": "s1"}, [("/query", "counts-dossiers")]),
        ({"method": QD766, "source": "sipas"}, [("/query", "counts-dossiers")]),
        ({"method": TT01, "source": "sipas"}, [("/query", "counts-dossiers")]),
        ({"method": TT01, "survey": "s404"}, [("/query/survey", "survey-not-found")]),
        ({"method": QD766, "by": "criterion"}, [("/query/by", "not-allowed")]),
        ({"method": QD766, "by": "month"}, [("/query/by", "not-allowed")]),
        ({"method": TT01, "by": "question"}, [("/query/by", "not-allowed")]),
        ({"method": TT01, "by": "counter"}, [("/query/by", "not-allowed")]),
        ({"method": QD766, "base": "forms"}, [("/query/base", "not-allowed")]),
        ({"method": TT01, "base": "forms"}, [("/query/base", "not-allowed")]),
        (
            {"method": QD766, "by": "option", "agency": "A404"},
            [("/query/agency", "agency-not-found"), ("/query/by", "not-allowed")],
        ),
    ],
)
async def test_what_a_profile_does_not_make_is_refused(department, query, errors):
    answer = await department.get("/v1/indices", params=QUERY | query)
    assert answer.status_code in {404, 422}
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == errors


@pytest.fixture
async def peers(dossiers, make):
    """Beside the department another one, with five dossiers in time, and one without any."""
    for agency in ("A2", "A3"):
        await make.agency(agency)
    for _ in range(5):
        await make.dossier("A2")
    for agency, points in (("A1", 2), ("A2", 1)):
        body = FULL | {"points": dict.fromkeys(("5", "6", "8", "9"), points)}
        await make.put(f"/v1/agencies/{agency}/self-assessments/2026", body)
    await make.peer_group("g", "A1", "A2", "A3")
    return dossiers


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (QD766, [(1, "A2", 100.0, None), (2, "A1", 50.0, 50.0)]),
        # A1: 14 / 10 points for time and for attitude; A2: four points less of itself.
        (TT01, [(1, "A1", 16.8, None), (2, "A2", 14.0, 2.8)]),
    ],
)
async def test_dossiers_and_points_are_ranked_and_nothing_is_a_sample(peers, method, expected):
    query = {"peer_group": "g", "period": "2026", "method": method}
    answer = (await peers.get("/v1/rankings", params=query)).json()
    rows = answer["rows"]
    assert [
        (r["rank"], r["agency"]["code"], r["value"], r["gap_to_next"]) for r in rows
    ] == expected
    assert {(r["rank_low"], r["rank_high"], r["ci_low"], r["improvement"]) for r in rows} == {
        (None, None, None, None)
    }
    assert {row["agency"]["code"]: row["share_rated"] for row in rows} == {"A1": 70.0, "A2": 0.0}
    assert [(u["agency"]["code"], u["status"]) for u in answer["unranked"]] == [("A3", "pending")]
    assert (answer["peer_count"], answer["rank_basis"]) == (3, "computed")
    assert answer["method"]["regime"] in {"qd766", "tt01-2018"}


async def test_the_total_of_dossiers_adds_up_the_ranked_agencies_and_points_have_none(peers, make):
    query = {"peer_group": "g", "period": "2026"}
    total = (await peers.get("/v1/rankings", params=query | {"method": QD766})).json()["total"]
    told = ("value", "numerator", "denominator", "n", "ci_low", "ci_high", "target")
    assert [total[name] for name in told] == [66.67, 10, 15, 15, None, None, None]
    assert (total["response_rate"], total["share_rated"]) == (None, 46.67)
    assert [one["code"] for one in total["findings"]] == ["feedback-not-recorded"]
    for criterion in ("overall", "5"):
        asked = query | {"method": TT01, "criterion": criterion}
        assert (await peers.get("/v1/rankings", params=asked)).json()["total"] is None
    for _ in range(4):
        await make.dossier("A3")
    again = (await peers.get("/v1/rankings", params=query | {"method": QD766})).json()
    assert [one["status"] for one in again["unranked"]] == ["too_few"]
    assert again["total"]["denominator"] == 15


async def test_an_index_says_whether_the_agency_assessed_itself(department, make):
    form = questionnaire(("tt01-3", [two_one_none("q1")]))
    await make.survey("s2", "A1", form=form)
    for _ in range(5):
        await make.dossier()
    await make.put(ENTERED, FULL | {"points": {"5": 2, "6": 2, "8": 2}})
    await make.sheet({"q1": {"2": 5, "1": 3}}, 8, survey="s2")
    found = await by_code(department, method=TT01, survey="s2")
    said = {code: [note["code"] for note in one["findings"]] for code, one in found.items()}
    own = {code: ["self-assessed"] for code in "24568"}
    assert said == own | {"1": [], "3": [], "7": ["complaints-self-reported"], "9": []}
    alone = await by_code(department, method=TT01)
    assert [note["code"] for note in alone["3"]["findings"]] == ["self-assessed"]
    for language, words in (("vi", "tự đánh giá"), ("en", "itself")):
        department.headers["Accept-Language"] = language
        (note,) = (await by_code(department, method=TT01))["5"]["findings"]
        assert words in note["detail"]


async def test_what_an_agency_counts_itself_is_nobodys_answer_and_may_be_few(department, make):
    await make.put(ENTERED, FULL | {"counts": {"2": [1, 0, 0]}})
    found = await by_code(department, method=TT01)
    assert [found["2"][name] for name in ("value", "n", "status")] == [2.0, 1, "ok"]
    assert [found["5"][name] for name in ("value", "n", "status")] == [2.0, 1, "ok"]


async def test_an_index_of_the_nine_can_be_ranked_by_and_a_share_has_none(peers):
    query = {"peer_group": "g", "period": "2026", "criterion": "5"}
    answer = (await peers.get("/v1/rankings", params=query | {"method": TT01})).json()
    assert [(row["agency"]["code"], row["value"]) for row in answer["rows"]] == [
        ("A1", 2.0),
        ("A2", 1.0),
    ]
    refused = await peers.get("/v1/rankings", params=query | {"method": QD766, "view": "today"})
    assert [(one["pointer"], one["code"]) for one in refused.json()["errors"]] == [
        ("/query/criterion", "not-allowed"),
        ("/query/view", "not-allowed"),
    ]


async def test_a_self_assessment_is_entered_read_and_replaced_only_as_it_was_known(
    department, make
):
    dossier = await make.dossier()
    body = FULL | {"complaints": [dossier, dossier]}
    made = await department.put(ENTERED, json=body)
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    entered = {
        "agency": "A1",
        "period": {"first": "2026-01-01", "last": "2026-12-31"},
        **FULL,
        "complaints": [dossier],
    }
    assert made.json() == entered
    read = await department.get(ENTERED)
    assert (read.json(), read.headers["ETag"]) == (entered, '"1"')
    stale = await department.put(ENTERED, json=FULL, headers={"If-Match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed")
    known = await department.put(ENTERED, json=FULL, headers={"If-Match": '"1"'})
    assert (known.status_code, known.headers["ETag"]) == (200, '"2"')
    assert (await department.get(ENTERED)).json()["complaints"] == []
    quarter = await department.get(ENTERED + "-Q1")
    assert (quarter.status_code, quarter.json()["code"]) == (404, "self-assessment-not-found")


async def test_complaints_name_dossiers_of_the_agency_and_each_unknown_one_is_named(
    department, make
):
    await make.agency("A2")
    known, others = await make.dossier(), await make.dossier("A2")
    codes = ["000.00.01.H00-260601-99999", known, others]
    answer = await department.put(ENTERED, json=FULL | {"complaints": codes})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-reference")
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [
        ("/complaints/0", "dossier-not-found"),
        ("/complaints/2", "dossier-not-found"),
    ]
    assert (await department.get(ENTERED)).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"points": {"5": 3}}, "/points/5", "too-large"),
        ({"points": {"5": 1.5}}, "/points/5", "wrong-type"),
        ({"points": {"7": 1}}, "/points/7", "not-allowed"),
        ({"counts": {"5": [1, 0, 0]}}, "/counts/5", "not-allowed"),
        ({"counts": {"2": [1, 0]}}, "/counts/2", "too-short"),
        ({"counts": {"2": [1, 0, -1]}}, "/counts/2/2", "too-small"),
        ({"complaints": ["H00"]}, "/complaints/0", "bad-dossier-code"),
        ({"grade": "excellent"}, "/grade", "unknown-field"),
    ],
)
async def test_each_fault_of_a_self_assessment_is_named(department, change, pointer, code):
    answer = await department.put(ENTERED, json=FULL | change)
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [(pointer, code)]


async def test_a_self_assessment_is_the_agencys_own(department, make):
    await make.agency("A2")
    other = await make.caller("catalogue:read", "catalogue:write", "indices:read", agencies={"A2"})
    assert (await other.put(ENTERED, json=FULL)).json()["code"] == "agency-not-allowed"
    assert (await other.get(ENTERED)).json()["code"] == "agency-not-allowed"
    assert (await department.get(ENTERED)).status_code == 404
    for method in (QD766, TT01):
        answer = await other.get("/v1/indices", params=QUERY | {"method": method})
        assert (answer.status_code, answer.json()["code"]) == (403, "agency-not-allowed")
    reader = await make.caller("catalogue:read")
    assert (await reader.put(ENTERED, json=FULL)).json()["code"] == "scope-missing"
    missing = await department.put("/v1/agencies/A404/self-assessments/2026", json=FULL)
    assert (missing.status_code, missing.json()["code"]) == (404, "agency-not-found")
