"""An edition as open data: a Data Package that its readers' tools accept, with its figures."""

import csv
import hashlib
import io
import json
import re
import tempfile
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import get_args

import frictionless
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.methods import Regime
from app.domain.measure import Status
from app.domain.profile_names import GRADES
from app.reports.data_dictionary import COLUMNS, FINDINGS, STATUSES
from app.reports.data_package import data_package
from app.reports.data_regimes import REGIMES

WITHHELD = {"value": None, "numerator": None, "denominator": None, "ci_low": None, "ci_high": None}


def figure(code="overall", status="ok", **changes):
    shown = {"value": 91.25, "numerator": 365, "denominator": 400, "ci_low": 88.06, "ci_high": 93.6}
    return {
        "code": code,
        "status": status,
        "n": 400,
        **(shown if status == "ok" else WITHHELD),
        "target": 95,
        "gap": -3.75 if status == "ok" else None,
        "met": False if status == "ok" else None,
        "findings": [],
        **changes,
    }


def agency(code, *figures, response_rate=98.5, share_rated=12.5):
    return {
        "agency": code,
        "forms": {"issued": 400, "returned": 394, "valid": 390, "response_rate": response_rate},
        "dossiers": {"returned": 3200, "rated": 400, "share_rated": share_rated},
        "figures": list(figures),
    }


def place(code, rank, low=None, high=None, **more):
    places = {"rank": rank, "rank_low": low, "rank_high": high}
    return {"agency": code, **places, "tied_with": [], "change": None, **more}


def method(regime="ratings", unit="percent", **more):
    return {
        "id": "top2-share@1",
        "name": {"vi": "Tỷ lệ hài lòng", "en": "Satisfied"},
        "regime": regime,
        "regime_name": {"vi": "Chế độ", "en": f"The regime {regime}"},
        "unit": unit,
        **more,
    }


def edition(agencies=(), rankings=(), names=None, **changes):
    named = {one["agency"]: f"Sở {one['agency']}" for one in agencies} | (names or {})
    return {
        "format": "hailong-edition@1",
        "code": "2026-Q1-departments",
        "title": {"vi": "Chỉ số hài lòng quý I năm 2026", "en": "Satisfaction, first quarter"},
        "peer_group": {"code": "so-ban-nganh", "name": {"vi": "Khối sở, ban, ngành"}},
        "period": {"first": "2026-01-01", "last": "2026-03-31"},
        "surveys": [{"code": "s1", "title": {"vi": "Khảo sát quý I"}}],
        "source": None,
        "method": method(),
        "view": "as_was",
        "minimum_n": 5,
        "frozen_at": "2026-04-02T09:00:00+07:00",
        "supersedes": None,
        "reason": None,
        "criteria": [
            {"code": "overall", "name": {"vi": "Chỉ số hài lòng chung"}},
            {"code": "access", "name": {"vi": "Tiếp cận dịch vụ"}},
        ],
        "organisation": [{"code": code, "name": {"vi": name}} for code, name in named.items()],
        "agencies": list(agencies),
        "rankings": [
            {"criterion": "overall", "peer_count": 18, "rows": list(rankings), "unranked": []}
        ],
        **changes,
    }


def canonical(document):
    return json.dumps(
        document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=float
    ).encode()


def package(document):
    written = canonical(document)
    return data_package(written, hashlib.sha256(written).hexdigest())


def members(document):
    with zipfile.ZipFile(io.BytesIO(package(document))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def table(document):
    text = members(document)["figures.csv"].decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def faults_and_rows(packed, changed=None):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(folder)
        for path, content in (changed or {}).items():
            (folder / path).write_bytes(content)
        report = frictionless.validate(folder / "datapackage.json", type="package")
        read = frictionless.Package(str(folder / "datapackage.json")).get_resource("figures")
        return report.flatten(["type", "fieldName"]), read.read_rows()


QUARTER = edition(
    [
        agency("A2", figure(), figure("access", "suppressed", n=12)),
        agency("A1", figure("overall", "too_few", n=3), figure("access", "not_asked", n=0)),
    ],
    [place("A2", 1, 1, 2)],
)
DOCUMENTS = {
    "a quarter": QUARTER,
    "an empty group": edition(),
    "printed ranks that are missing": edition(
        [agency("A1", figure(n=None), response_rate=None, share_rated=None)],
        [place("A1", None)],
        surveys=[],
        source="sipas",
    ),
    "dossiers": edition([agency("A1", figure(n=3200))], method=method("qd766")),
    "points": edition(
        [agency("A1", figure(value=14.5), figure("access", value=0))],
        method=method("tt01-2018", "points"),
    ),
    "every status": edition(
        [agency(f"A-{status}", figure("overall", status)) for status in Status],
    ),
    "names that need quotes": edition(
        [agency("A1", figure()), agency("A2", figure()), agency("A3", figure())],
        names={"A1": 'Sở "Công Thương", tỉnh', "A2": "Ủy ban\nnhân dân", "A3": "=1+1; @x"},
    ),
    "names that look like columns": edition(
        [agency("A1", figure()), agency("A2", figure())], names={"A1": "; ';' ;", "A2": "; ';' ;"}
    ),
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_every_package_is_a_valid_data_package(document, tmp_path):
    packed = package(document)
    assert faults_and_rows(packed)[0] == []
    (tmp_path / "package.zip").write_bytes(packed)
    assert frictionless.validate(tmp_path / "package.zip", type="package").valid


def test_a_changed_file_is_found_out():
    table, document = members(QUARTER)["figures.csv"], canonical(QUARTER)
    found, _ = faults_and_rows(package(QUARTER), {"figures.csv": table.replace(b"91.25", b"91.26")})
    assert found == [["hash-count", None]]
    found, _ = faults_and_rows(
        package(QUARTER), {"edition.json": document.replace(b"91.25", b"91.26")}
    )
    assert found == [["hash-count", None]]


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("value", {"value": 100.01}),
        ("ci_low", {"ci_low": -0.01}),
        ("n", {"n": -1}),
        ("status", {"status": "fine"}),
        ("denominator", {"denominator": -1}),
    ],
)
def test_the_schema_knows_what_a_figure_can_be(column, change):
    found, _ = faults_and_rows(package(edition([agency("A1", figure() | change)])))
    assert found == [["constraint-error", column]]


def test_the_schema_knows_the_views_and_the_minimum_n():
    wrong = edition([agency("A1", figure())], view="yesterday", minimum_n=-1)
    found, _ = faults_and_rows(package(wrong))
    assert found == [["constraint-error", "view"], ["constraint-error", "minimum_n"]]


def test_an_agency_has_each_criterion_once():
    found, _ = faults_and_rows(package(edition([agency("A1", figure(), figure())])))
    assert [kind for kind, _ in found] == ["primary-key"]


def test_there_is_a_row_for_each_agency_and_criterion_in_the_documents_order():
    rows = table(QUARTER)
    assert [(row["unit"], row["criterion"]) for row in rows] == [
        ("A2", "overall"),
        ("A2", "access"),
        ("A1", "overall"),
        ("A1", "access"),
    ]
    assert rows[0] == {
        "unit": "A2",
        "unit_name": "Sở A2",
        "period": "2026-01-01/2026-03-31",
        "period_first": "2026-01-01",
        "period_last": "2026-03-31",
        "criterion": "overall",
        "criterion_name": "Chỉ số hài lòng chung",
        "value": "91.25",
        "measured_in": "percent",
        "n": "400",
        "ci_low": "88.06",
        "ci_high": "93.6",
        "rank": "1",
        "rank_low": "1",
        "rank_high": "2",
        "peer_count": "18",
        "status": "ok",
        "method": "top2-share@1",
        "view": "as_was",
        "minimum_n": "5",
        "edition": "2026-Q1-departments",
        "numerator": "365",
        "denominator": "400",
        "response_rate": "98.5",
        "share_rated": "12.5",
        "tied_with": "",
        "target": "95",
        "gap": "-3.75",
        "met": "false",
        "findings": "",
        "change_value": "",
        "change_rank": "",
        "change_comparable": "",
        "change_reasons": "",
    }
    assert list(rows[0]) == list(COLUMNS)


def test_a_row_says_who_ties_what_is_noted_and_what_changed():
    notes = [{"code": "unanswered", "params": {}}, {"code": "old", "params": {}}]
    change = {"value": -1.5, "rank": 2, "comparable": False, "reasons": ["peers-differ", "x"]}
    document = edition(
        [agency("A1", figure(findings=notes)), agency("A2", figure(), figure("access"))],
        [place("A1", 1, tied_with=["A2", "A3"], change=change), place("A2", 1, tied_with=["A1"])],
    )
    faults, rows = faults_and_rows(package(document))
    assert faults == []
    assert [row["tied_with"] for row in rows] == ["A2;A3", "A1", None]
    assert [row["findings"] for row in rows] == ["unanswered;old", None, None]
    assert (rows[0]["gap"], rows[0]["met"]) == (Decimal("-3.75"), False)
    told = ("change_value", "change_rank", "change_comparable", "change_reasons")
    assert [rows[0][name] for name in told] == [Decimal("-1.5"), 2, False, "peers-differ;x"]
    assert {rows[1][name] for name in told} == {None}


def test_figures_of_another_regime_have_no_targets():
    for regime in ("dossiers", "points"):
        _, columns = said_of(DOCUMENTS[regime])
        for name in ("target", "gap", "met"):
            assert columns[name]["description"] == "Luôn để trống / Always empty"


def test_a_rank_is_of_one_criterion():
    rows = table(QUARTER)
    assert [row["rank"] for row in rows] == ["1", "", "", ""]


def test_a_withheld_figure_keeps_its_status_and_its_n_but_has_no_value():
    withheld = table(QUARTER)[2]
    assert (withheld["status"], withheld["n"]) == ("too_few", "3")
    empty = ("value", "numerator", "denominator", "ci_low", "ci_high", "rank", "rank_low")
    assert {withheld[column] for column in empty} == {""}


def test_a_printed_index_has_neither_n_nor_an_interval_of_its_rank():
    document = edition([agency("A1", figure(n=None))], [place("A1", 13)])
    (row,) = table(document)
    assert (row["rank"], row["rank_low"], row["rank_high"], row["n"]) == ("13", "", "", "")


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_name_is_never_a_formula(begin):
    document = edition([agency("A1", figure())], names={"A1": f"{begin}HYPERLINK(1)"})
    assert table(document)[0]["unit_name"] == f"'{begin}HYPERLINK(1)"


def test_the_table_is_plain_csv():
    written = members(QUARTER)["figures.csv"]
    assert written.startswith(b"unit,unit_name,period,")
    assert written.count(b"\r\n") == 5
    assert b"\n" not in written.replace(b"\r\n", b"")


def test_the_document_is_in_the_package_as_it_was_published():
    packed = members(QUARTER)
    digest = hashlib.sha256(packed["edition.json"]).hexdigest()
    assert packed["edition.json"] == canonical(QUARTER)
    assert f"`sha256sum edition.json` must give `{digest}`" in packed["README.md"].decode()
    assert json.loads(packed["datapackage.json"])["id"] == f"sha256:{digest}"


def test_the_description_says_what_the_edition_is_and_invents_no_licence():
    described = json.loads(members(QUARTER)["datapackage.json"])
    assert described["name"] == "2026-q1-departments"
    assert described["title"] == "Chỉ số hài lòng quý I năm 2026 / Satisfaction, first quarter"
    assert described["created"] == "2026-04-02T09:00:00+07:00"
    assert described["sources"] == [{"title": "Khảo sát quý I (s1)"}]
    assert "licenses" not in described
    assert "Khối sở, ban, ngành" in described["description"]
    assert "Supersedes" not in described["description"]


def test_the_source_of_printed_figures_is_named():
    described = json.loads(members(edition(surveys=[], source="sipas"))["datapackage.json"])
    assert described["sources"] == [{"title": "sipas"}]


def test_a_revised_edition_says_what_it_replaces_and_why():
    revised = edition(supersedes="2026-Q1", reason="Thiếu phiếu của hai xã")
    for path in ("datapackage.json", "README.md"):
        said = members(revised)[path].decode()
        assert "Thay thế / Supersedes 2026-Q1: Thiếu phiếu của hai xã" in said


def test_the_readme_explains_every_column_and_every_status():
    assert list(STATUSES) == list(Status)
    readme = members(QUARTER)["README.md"].decode()
    assert [name for name in (*COLUMNS, *STATUSES) if f"- `{name}`: " not in readme] == []


def said_of(document):
    """The README, and each column as the table's description has it."""
    packed = members(document)
    resource, _ = json.loads(packed["datapackage.json"])["resources"]
    columns = {one["name"]: one for one in resource["schema"]["fields"]}
    return " ".join(packed["README.md"].decode().split()), columns


def test_the_rank_interval_is_promised_on_average_and_not_to_each_agency():
    readme, _ = said_of(QUARTER)
    assert "tính trung bình trên các cơ quan của một khối, ít nhất 95 trong 100 khoảng" in readme
    assert "on average over the agencies of a group, at least 95 of 100 intervals" in readme
    assert "of a cluster of nearly equal agencies it is about 90" in readme


def test_a_share_of_dossiers_is_a_census_and_no_share_of_ratings():
    readme, columns = said_of(DOCUMENTS["dossiers"])
    assert "The regime qd766" in readme
    assert "**Không so sánh** số liệu này với tỷ lệ đánh giá hài lòng." in readme
    assert "**not to be compared** with shares of ratings" in readme
    assert "a census and no sample" in readme
    assert columns["n"]["description"] == "Số hồ sơ đã trả kết quả / Returned dossiers"
    assert columns["denominator"]["description"] == columns["n"]["description"]
    assert columns["ci_low"]["description"] == "Luôn để trống / Always empty"
    for wrong in ("satisfaction indices", "chỉ số hài lòng kỳ", "asks only some", "Số người mà"):
        assert wrong not in readme


def test_points_are_no_percentages():
    readme, columns = said_of(DOCUMENTS["points"])
    assert "The regime tt01-2018" in readme
    assert "**not to be compared** with shares of ratings" in readme
    assert columns["value"]["constraints"] == {"minimum": 0, "maximum": 18}
    assert columns["value"]["description"].startswith("Số điểm: mỗi chỉ số 0–2, tổng tối đa 18")
    assert "1 where the agency is scored as a whole" in columns["n"]["description"]
    assert [row["measured_in"] for row in table(DOCUMENTS["points"])] == ["points", "points"]
    for wrong in ("satisfaction indices", "asks only some", "Satisfied answers", "in percent,"):
        assert wrong not in readme


def test_of_printed_values_nobody_knows_how_many_people():
    document = edition([agency("A1", figure(n=None))], method=method("published"))
    readme, columns = said_of(document)
    assert columns["n"]["description"].startswith("Không biết: nguồn không công bố số người / ")
    assert "asks only some" not in readme


def test_a_regime_renames_only_columns_that_there_are():
    assert set(REGIMES) == set(get_args(Regime))
    for regime in REGIMES.values():
        assert set(regime.columns) < set(COLUMNS)
        assert all(regime.what + regime.ranks)


def test_the_readme_says_how_to_open_the_table_in_excel():
    readme, _ = said_of(QUARTER)
    assert "Dữ liệu > Từ Văn bản/CSV (Data > From Text/CSV)" in readme
    assert "use Data > From Text/CSV with UTF-8 and commas" in readme


def test_the_readme_names_what_is_noted_on_figures_and_on_how_many():
    noted = [{"code": "feedback-not-recorded", "params": {}}]
    figures = [figure(findings=noted), figure("access", findings=[*noted, {"code": "old"}, *noted])]
    readme = members(edition([agency("A1", *figures)]))["README.md"].decode()
    assert "- `feedback-not-recorded`: (2) hệ thống chưa ghi nhận phản ánh" in readme
    assert "- `old`: (1)\n" in readme
    assert "Findings" not in members(QUARTER)["README.md"].decode()


def test_every_finding_has_a_meaning():
    sources = (Path(__file__).parents[2] / "app" / "domain").glob("*.py")
    pattern = r'Finding\(\s*"([a-z-]+)"'
    codes = {code for path in sources for code in re.findall(pattern, path.read_text("utf-8"))}
    assert codes
    assert codes | {f"grade-{code}" for code in GRADES} <= set(FINDINGS)


def test_the_same_edition_gives_the_same_bytes_for_ever():
    packed = package(QUARTER)
    assert packed == package(json.loads(canonical(QUARTER)))
    assert hashlib.sha256(packed).hexdigest() == (
        "cb3786c599ea81772707c1b6d14c1fb660f66d15e3ce450813b8d7a5edbd6aa1"
    )


def test_files_bear_the_time_of_freezing():
    with zipfile.ZipFile(io.BytesIO(package(QUARTER))) as archive:
        times = {one.date_time for one in archive.infolist()}
        names = archive.namelist()
    assert times == {(2026, 4, 2, 9, 0, 0)}
    assert names == ["datapackage.json", "figures.csv", "edition.json", "README.md"]


codes = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,6}", fullmatch=True)
lines = (
    st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from(",\"';=+-@\n\t "))
    .map(str.strip)
    .filter(bool)
)
percents = st.none() | st.decimals(0, 100, places=2)
counts = st.none() | st.integers(0, 10**9)
ranks = st.none() | st.integers(1, 10**4)


@st.composite
def editions(draw):
    criteria = ["overall", *draw(st.lists(codes, max_size=2, unique=True))]
    criteria = list(dict.fromkeys(criteria))
    names = draw(st.dictionaries(codes, lines, max_size=4))
    agencies = []
    for code in names:
        figures = []
        for criterion in criteria:
            status = draw(st.sampled_from(Status))
            values = {key: draw(percents) for key in ("value", "ci_low", "ci_high")}
            sums = {key: draw(counts) for key in ("numerator", "denominator")}
            shown = values | sums if status == "ok" else {}
            figures.append(figure(criterion, status, n=draw(counts), **shown))
        rates = {"response_rate": draw(percents), "share_rated": draw(percents)}
        agencies.append(agency(code, *figures, **rates))
    rankings = [place(code, draw(ranks), draw(ranks), draw(ranks)) for code in names]
    return edition(
        agencies,
        rankings,
        names,
        title={"vi": draw(lines)} | draw(st.fixed_dictionaries({}, optional={"en": lines})),
        criteria=[{"code": code, "name": {"vi": draw(lines)}} for code in criteria],
    )


@settings(max_examples=40, deadline=None)
@given(editions())
def test_readers_of_any_package_find_the_figures_of_its_document(document):
    faults, rows = faults_and_rows(package(document))
    assert faults == []
    published = json.loads(canonical(document), parse_float=Decimal)
    ranked = {one["agency"]: one for one in published["rankings"][0]["rows"]}
    expected = [
        {**shown, **(ranked[one["agency"]] if shown["code"] == "overall" else {})}
        | {"unit": one["agency"], "criterion": shown["code"]}
        | {"response_rate": one["forms"]["response_rate"]}
        for one in published["agencies"]
        for shown in one["figures"]
    ]
    same = ("unit", "criterion", "status", "value", "n", "ci_low", "ci_high", "numerator")
    same += ("denominator", "rank", "rank_low", "rank_high", "response_rate")
    assert [{key: row[key] for key in same} for row in rows] == [
        {key: one.get(key) for key in same} for one in expected
    ]
    names = {one["code"]: one["name"]["vi"] for one in published["organisation"]}
    assert [row["unit_name"].removeprefix("'") for row in rows] == [
        names[one["unit"]].removeprefix("'") for one in expected
    ]
