"""An edition as open data: a Frictionless Data Package (datapackage.org, version 2.0) in a ZIP."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.reports import csv_table

STATUSES: Mapping[str, str] = {
    "ok": "có giá trị / there is a value",
    "too_few": "quá ít: dựa trên ít người hơn mức tối thiểu được công bố / "
    "counted, but on fewer people than are ever shown",
    "suppressed": "che số liệu: từ giá trị này có thể suy ra một số liệu quá ít / "
    "withheld because a figure on too few people would follow from it",
    "not_asked": "không hỏi: không đợt khảo sát nào hỏi, hoặc nguồn không công bố / "
    "no survey asks this of the agency, or the source printed nothing",
    "pending": "chờ số liệu: có hỏi nhưng chưa có câu trả lời / asked, but nothing counted yet",
    "exempt": "không áp dụng: phương pháp không tính được câu hỏi như vậy / "
    "counted, but the method cannot take such a question",
}

_KINDS: Mapping[str, Mapping[str, object]] = {
    "text": {"type": "string", "constraints": {"required": True}},
    "day": {"type": "date", "constraints": {"required": True}},
    "percent": {"type": "number", "constraints": {"minimum": 0, "maximum": 100}},
    "amount": {"type": "number", "constraints": {"minimum": 0}},
    "count": {"type": "integer", "constraints": {"minimum": 0}},
    "place": {"type": "integer", "constraints": {"minimum": 1}},
    "status": {"type": "string", "constraints": {"required": True, "enum": list(STATUSES)}},
}

# What a column holds, and its meaning in Vietnamese and in English.
FIELDS: Mapping[str, tuple[str, str, str]] = {
    "unit": ("text", "Mã cơ quan", "Code of the agency"),
    "unit_name": ("text", "Tên cơ quan", "Name of the agency, in Vietnamese"),
    "period": ("text", "Kỳ: ngày đầu/ngày cuối (ISO 8601)", "Period: first/last day (ISO 8601)"),
    "period_first": ("day", "Ngày đầu của kỳ", "First day of the period"),
    "period_last": ("day", "Ngày cuối của kỳ", "Last day of the period"),
    "criterion": (
        "text",
        "Mã tiêu chí; overall là chỉ số hài lòng chung",
        "Code of the criterion; overall is the overall index",
    ),
    "criterion_name": ("text", "Tên tiêu chí", "Name of the criterion, in Vietnamese"),
    "value": (
        "percent",
        "Giá trị, tính bằng phần trăm, làm tròn như khi công bố; chỉ có khi status là ok",
        "Value in percent, rounded as published; only where the status is ok",
    ),
    "n": ("count", "Số người mà giá trị dựa vào, nếu biết", "People the value rests on, if known"),
    "ci_low": ("percent", "Cận dưới khoảng tin cậy 95 %, phần trăm", "Lower 95 % limit, percent"),
    "ci_high": ("percent", "Cận trên khoảng tin cậy 95 %, phần trăm", "Upper 95 % limit, percent"),
    "rank": ("place", "Thứ hạng trong khối; 1 là cao nhất", "Rank in the peer group; 1 is best"),
    "rank_low": ("place", "Hạng cao nhất trong khoảng thứ hạng", "Best rank of the rank interval"),
    "rank_high": ("place", "Hạng thấp nhất trong khoảng thứ hạng", "Worst rank of that interval"),
    "status": ("status", "ok, hoặc lý do không có giá trị", "ok, or why there is no value"),
    "method": ("text", "Phương pháp tính, kèm phiên bản", "Method, with its version"),
    "edition": ("text", "Mã bản công bố", "Code of the edition"),
    "numerator": (
        "amount",
        "Số câu trả lời hài lòng, hoặc số điểm đạt được",
        "Satisfied answers, or points achieved",
    ),
    "denominator": (
        "amount",
        "Tổng số câu trả lời, số phiếu, hoặc số điểm tối đa",
        "All answers, forms, or possible points",
    ),
    "response_rate": (
        "percent",
        "Phiếu thu về của cơ quan, tính bằng phần trăm số phiếu phát ra",
        "Returned forms of the agency in percent of those issued",
    ),
    "share_rated": (
        "percent",
        "Hồ sơ được đánh giá của cơ quan, tính bằng phần trăm số hồ sơ đã trả kết quả",
        "Rated dossiers of the agency in percent of those whose result was returned",
    ),
}

_README = """\
# {title}

{description}

## Tiếng Việt

- `figures.csv`: mỗi dòng là số liệu của một cơ quan theo một tiêu chí, kể cả số liệu không có giá
  trị. Bảng mã UTF-8, cột cách nhau bằng dấu phẩy, dấu thập phân là dấu chấm, ô trống là không có.
- `edition.json`: toàn văn bản công bố.
- `datapackage.json`: mô tả theo chuẩn Data Package 2.0 (<https://datapackage.org>).

Tên bắt đầu bằng ký tự mà phần mềm bảng tính coi là công thức (=, +, -, @) có thêm dấu nháy đơn ở
trước; số âm giữ nguyên. Khi dùng phần mềm bảng tính, hãy nhập `figures.csv` với bảng mã UTF-8.

**Đọc khoảng thứ hạng.** Khảo sát chỉ hỏi được một phần người dân nên thứ hạng cũng có sai số.
Khoảng từ `rank_low` đến `rank_high` chứa thứ hạng thật của cơ quan với độ tin cậy ít nhất 95 %.
Ví dụ: hạng 3, khoảng 1–6 nghĩa là số liệu phù hợp với mọi thứ hạng từ 1 đến 6. Mỗi khoảng nói về
riêng một cơ quan, không nói về cả bảng xếp hạng cùng lúc. Khoảng để trống khi không tính được,
chẳng hạn khi thứ hạng do nguồn công bố.

**Kiểm tra.** Lệnh `sha256sum edition.json` phải cho kết quả `{digest}`.

## English

- `figures.csv`: one row for each agency and criterion, also where there is no value. UTF-8, commas
  between columns, a point before decimals, empty where there is nothing.
- `edition.json`: the whole edition.
- `datapackage.json`: the description, a Data Package 2.0 (<https://datapackage.org>).

A name that spreadsheets would take for a formula (it begins with =, +, - or @) has an apostrophe
before it; negative numbers stay as they are. In a spreadsheet, import `figures.csv` as UTF-8.

**How to read the rank interval.** A survey asks only some of the people, so a rank has a margin of
error too. `rank_low` to `rank_high` holds the agency's true rank with a confidence of at least
95 %. Rank 3 with an interval of 1–6 says that the data agree with every rank from 1 to 6. Each
interval speaks of one agency, not of the whole ranking at once. It is empty where none could be
made, for example where the rank was printed by a source.

**How to check.** `sha256sum edition.json` must give `{digest}`.

## Cột / Columns

{columns}

## Trạng thái / Statuses

{statuses}
"""


def data_package(document: bytes, digest: str) -> bytes:
    """The ZIP of an edition's description, table, canonical document and README.

    `document` is the edition's canonical JSON and `digest` its SHA-256 in hexadecimal digits. The
    same edition gives the same bytes: members have a fixed order and the time of freezing, and are
    stored as they are, because what a compressor makes of them changes with its version.
    """
    edition = json.loads(document, parse_float=Decimal)
    table = csv_table(list(FIELDS), _rows(edition))
    described = _described(edition) | {
        "id": f"sha256:{digest}",
        "resources": [_table(table), _document(document, digest)],
    }
    members = {
        "datapackage.json": json.dumps(described, ensure_ascii=False, indent=2).encode(),
        "figures.csv": table,
        "edition.json": document,
        "README.md": _readme(described, digest).encode(),
    }
    frozen = datetime.fromisoformat(edition["frozen_at"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, frozen.timetuple()[:6])
            member.create_system = 3  # Unix, wherever this runs
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return packed.getvalue()


def _rows(edition: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """Each agency's figures in the order of the document, with their places in the rankings."""
    names = {one["code"]: one["name"]["vi"] for one in edition["organisation"]}
    criteria = {one["code"]: one["name"]["vi"] for one in edition["criteria"]}
    places = {
        (ranking["criterion"], row["agency"]): row
        for ranking in edition["rankings"]
        for row in ranking["rows"]
    }
    first, last = edition["period"]["first"], edition["period"]["last"]
    for agency in edition["agencies"]:
        for figure in agency["figures"]:
            place = places.get((figure["code"], agency["agency"]), {})
            yield figure | {
                "unit": agency["agency"],
                "unit_name": names[agency["agency"]],
                "period": f"{first}/{last}",
                "period_first": first,
                "period_last": last,
                "criterion": figure["code"],
                "criterion_name": criteria[figure["code"]],
                **{column: place.get(column) for column in ("rank", "rank_low", "rank_high")},
                "method": edition["method"]["id"],
                "edition": edition["code"],
                "response_rate": agency["forms"]["response_rate"],
                "share_rated": agency["dossiers"]["share_rated"],
            }


def _described(edition: Mapping[str, Any]) -> dict[str, Any]:
    """What the package says of itself. It names no licence: the edition does not have one."""
    sources = [f"{_both(one['title'])} ({one['code']})" for one in edition["surveys"]]
    if edition["source"] is not None:
        sources.append(edition["source"])
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": edition["code"].lower(),
        "title": _both(edition["title"]),
        "description": _summary(edition),
        "version": "1.0.0",  # of the layout; a revised edition is another package
        "created": edition["frozen_at"],
        "sources": [{"title": one} for one in sources],
    }


def _summary(edition: Mapping[str, Any]) -> str:
    """What the edition holds, in both languages, and which one it replaces."""
    code, method = edition["code"], edition["method"]["id"]
    span = f"{edition['period']['first']} – {edition['period']['last']}"
    of, by = edition["peer_group"]["name"], edition["method"]["name"]
    said = [
        f"Bản công bố {code}: chỉ số hài lòng kỳ {span}, {_said(of, 'vi')}.",
        f"Phương pháp: {_said(by, 'vi')} ({method}).",
        f"Edition {code}: satisfaction indices of {span}, {_said(of, 'en')}.",
        f"Method: {_said(by, 'en')} ({method}).",
    ]
    if edition["supersedes"] is not None:
        said.append(f"Thay thế / Supersedes {edition['supersedes']}: {edition['reason']}")
    return "\n\n".join(said)


def _table(content: bytes) -> dict[str, object]:
    """The description of the table."""
    return {
        "name": "figures",
        "type": "table",
        "path": "figures.csv",
        "title": "Số liệu theo cơ quan và tiêu chí / Figures by agency and criterion",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": len(content),
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "dialect": {"delimiter": ","},  # the default, which some readers guess at instead
        "schema": {
            "fields": [
                {"name": name, **_KINDS[kind], "description": f"{vi} / {en}"}
                for name, (kind, vi, en) in FIELDS.items()
            ],
            "missingValues": [""],
            "primaryKey": ["unit", "criterion"],
        },
    }


def _document(content: bytes, digest: str) -> dict[str, object]:
    """The description of the edition's canonical document."""
    return {
        "name": "edition",
        "path": "edition.json",
        "title": "Toàn văn bản công bố / The whole edition",
        "format": "json",
        "mediatype": "application/json",
        "encoding": "utf-8",
        "bytes": len(content),
        "hash": f"sha256:{digest}",
    }


def _readme(described: Mapping[str, Any], digest: str) -> str:
    """How to read the files, in both languages."""
    columns = {name: f"{vi} / {en}" for name, (_, vi, en) in FIELDS.items()}
    return _README.format(
        title=described["title"],
        description=described["description"],
        digest=digest,
        columns=_listed(columns),
        statuses=_listed(STATUSES),
    )


def _listed(meanings: Mapping[str, str]) -> str:
    return "\n".join(f"- `{name}`: {meaning}" for name, meaning in meanings.items())


def _said(text: Mapping[str, str], language: str) -> str:
    """The text on one line, in Vietnamese where it has no other."""
    return " ".join((text.get(language) or text["vi"]).split())


def _both(text: Mapping[str, str]) -> str:
    """The text in Vietnamese and, where there is one, in English."""
    return " / ".join(dict.fromkeys((_said(text, "vi"), _said(text, "en"))))
