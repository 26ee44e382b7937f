"""`hailong demo`: published figures, made again from raw counts on an empty folder."""

import csv
import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cli.processes import (
    ROOT,
    Demonstration,
    Service,
    copied,
    folder,
    new_database,
    query,
    run,
    server_runs,
    serving,
    together,
)

NOTICE = ROOT / "tests" / "data" / "khanhhoa_notice_2022_counts.csv"
TRIED = (
    "INSERT INTO agency (code, name, kind, valid_from, revision) "
    """VALUES ('zz-conformance-1', '{"vi": "Chạy thử"}', 'department', '2020-01-01', 1)"""
)
KEY_OF_REFUSED = "the key of a refused demonstration"
LIVE = re.compile(r"(?:Trước|Sau) \(\w+\) +(\S+ %) +\((\d+)/(\d+) câu trả lời, n = (\d+)\)")


def rows(said: str) -> list[list[str]]:
    """The cells of every line, where columns are two spaces or more apart."""
    return [re.split(r" {2,}", line.strip()) for line in said.splitlines()]


def published(said: str) -> str:
    """What is printed between the progress bar and the live path."""
    return said[said.index("sct-2022-a: ") : said.index("Chạy thử (live)")]


def counts(said: str) -> list[list[int]]:
    """The counts of each question of both surveys, in the order in which they are printed."""
    tables = published(said).partition("Gộp hai phiếu")[0]
    return [
        [int(number) for number in re.findall(r": (\d+)", row.partition("⚑")[0])]
        for row in re.split(r"^  q\d+\.", tables, flags=re.MULTILINE)[1:]
    ]


def live(said: str) -> list[tuple[str, int, int, int]]:
    """The live figure, before and after: value, numerator, denominator and n."""
    return [(value, int(a), int(b), int(n)) for value, a, b, n in LIVE.findall(said)]


@pytest.fixture(scope="module")
def said(demonstration: Demonstration) -> str:
    return demonstration.said.stdout


@dataclass(frozen=True)
class Later:
    """What was said after the first demonstration, on what it left and elsewhere."""

    again: CompletedProcess[str]
    refused: CompletedProcess[str]
    migrated: CompletedProcess[str]
    shown: CompletedProcess[str]
    url: str  # Of the external database.
    embedded: bool  # Whether that one had an embedded server beside it.


@pytest.fixture(scope="module")
def later(demonstration: Demonstration, service: Service, external_server: str) -> Later:
    agency = {"name": {"vi": "Sở thật"}, "kind": "department", "valid_from": "2010-01-01"}
    assert service.put("/v1/agencies/H99", agency).status_code == 201
    url = new_database(external_server)
    with copied(demonstration.data) as data, folder() as none:
        again, refused, migrated = together(
            lambda: run(data, "demo", "--once"),
            lambda: run(service.data, "demo", "--once", admin_key=KEY_OF_REFUSED),
            lambda: run(none, "migrate", database_url=url),
        )
        query(url, TRIED)
        shown = run(none, "demo", "--once", database_url=url)
        return Later(again, refused, migrated, shown, url, (none / "pg").exists())


def test_the_demonstration_ends_well_on_an_empty_folder_and_stops_its_database(
    demonstration: Demonstration,
) -> None:
    assert demonstration.said.returncode == 0
    assert demonstration.said.stderr == ""
    assert not server_runs(demonstration.data)


def test_every_count_of_the_notice_is_printed(said: str) -> None:
    with NOTICE.open(encoding="utf-8") as file:
        read = groupby(csv.DictReader(file), lambda row: (row["part"], row["question_no"]))
        notice = [[int(row["count"]) for row in question] for _, question in read]
    assert len(notice) == 15
    assert counts(said)[: len(notice)] == notice
    assert "Rất dễ dàng: 6, Dễ dàng: 7" in said
    assert "sct-2022-a: 13 phiếu hợp lệ" in said
    assert "sct-2022-b: 17 phiếu hợp lệ" in said


def test_both_surveys_are_pooled_as_the_notice_says(said: str) -> None:
    found = rows(said)
    assert ["Chỉ số hài lòng chung", "Rất hài lòng", "18/30", "60,0 %"] in found
    assert ["Hài lòng", "12/30", "40,0 %"] in found
    assert ["Tiện nghi", "21/30", "70,0 %"] in found
    assert ["Bình thường", "4/30", "13,3 %"] in found
    whole = [row[1:] for row in found if row[0].startswith("Hài lòng (KTC 95 %")]
    assert whole[0] == ["30/30", "100,0 %"]


def test_a_question_with_more_answers_than_forms_is_flagged_with_the_reason_it_was_taken(
    said: str,
) -> None:
    (flagged,) = [line for line in said.splitlines() if "⚑ q" in line]
    assert "q4: Câu hỏi q4 có 15 câu trả lời trên 13 phiếu." in flagged
    assert "Lý do chấp nhận: Theo đúng số liệu đã công bố trong Thông báo" in flagged


def test_published_indices_stand_beside_target_gap_and_rank(said: str) -> None:
    table = [row[1:] for row in rows(said) if row[-1].endswith("/18")]
    assert table == [
        ["70,69 %", "83 %", "-12,31", "chưa đạt", "17/18"],
        ["78,61 %", "83 %", "-4,39", "chưa đạt", "10/18"],
        ["84,56 %", "83 %", "1,56", "đạt", "6/18"],
        ["89,23 %", "83 %", "6,23", "đạt", "12/18"],
        ["85,25 %", "83 %", "2,25", "đạt", "10/18"],
        ["82,16 %", "83 %", "-0,84", "chưa đạt", "12/18"],
        ["81,75 %", "83 %", "-1,25", "chưa đạt", "13/18"],
    ]


def test_the_published_overall_index_is_computed_again(said: str) -> None:
    assert "mean-of-criteria@1 (computed again): 81,75 % = 81,75 % đã công bố" in said


def test_a_live_rating_moves_the_figure_by_its_eight_answers(said: str) -> None:
    before, after = live(said)
    assert before[0] != after[0]
    assert after[1:] == (before[1] + 8, before[2] + 8, before[3] + 1)
    assert re.search(r"Trả kết quả \(returned\) +Đã trả kết quả, đúng hạn", said)


def test_a_second_demonstration_counts_nothing_twice(said: str, later: Later) -> None:
    assert later.again.returncode == 0, later.again.stderr
    assert later.again.stderr == ""
    assert published(later.again.stdout) == published(said)


def test_the_ranking_of_the_example_merger_is_published_once_and_for_good(
    said: str, later: Later
) -> None:
    ranked = [row for row in rows(said) if row[0] in {"1/4", "2/4", "3/4", "4/4"}]
    assert [row[3] for row in ranked] == ["84,00 %", "82,86 %", "81,43 %", "78,00 %"]
    digests = [re.findall(r"sha-256:[0-9a-f]{64}", one) for one in (said, later.again.stdout)]
    assert len(digests[0]) == 1
    assert digests[1] == digests[0]


def test_a_second_demonstration_adds_one_live_rating_to_the_first(said: str, later: Later) -> None:
    assert later.again.returncode == 0, later.again.stderr
    (_, first), (before, after) = live(said), live(later.again.stdout)
    assert before == first
    assert after[3] == first[3] + 1


def test_the_demonstration_then_serves_with_the_key_that_it_prints(data: Path) -> None:
    with serving(data, "demo", admin_key="") as service:
        key = re.search(r"(hl_[\w-]{43})", service.said())
        assert key is not None
        assert f"http://127.0.0.1:{service.port}/docs" in service.said()
        assert service.get("/v1/agencies", key[1]).status_code == 200


def test_a_database_with_another_agency_is_no_place_for_the_demonstration(later: Later) -> None:
    assert later.refused.returncode == 1
    assert later.refused.stderr.count("\n") == 1
    assert later.refused.stderr.startswith("hailong: This database holds H99, ")
    assert "HAILONG_DATA_DIR" in later.refused.stderr
    assert "sct-2022" not in later.refused.stdout


def test_a_refused_demonstration_leaves_no_key_behind(service: Service, later: Later) -> None:
    assert later.refused.returncode == 1
    assert service.get("/v1/agencies", KEY_OF_REFUSED).status_code == 401


def test_an_external_database_is_migrated_and_shown_without_an_embedded_one(
    later: Later, said: str
) -> None:
    assert (later.migrated.returncode, later.migrated.stderr) == (0, "")
    assert (later.shown.returncode, later.shown.stderr) == (0, "")
    assert published(later.shown.stdout) == published(said)
    assert query(later.url, "SELECT count(*) FROM tally_sheet") == 16
    assert not later.embedded
