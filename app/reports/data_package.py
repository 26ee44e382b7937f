"""An edition as open data: a Frictionless Data Package (datapackage.org, version 2.0) in a ZIP."""

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.reports import csv_table
from app.reports.data_dictionary import COLUMNS, FINDINGS, KINDS, STATUSES, Column
from app.reports.data_regimes import REGIMES

_PLACE = ("rank", "rank_low", "rank_high", "tied_with")

_README = """\
# {title}

{description}

## Tiếng Việt

- `figures.csv`: mỗi dòng là số liệu của một cơ quan theo một tiêu chí, kể cả số liệu không có giá
  trị. Số liệu chung của các cơ quan được xếp hạng (`total`) chỉ có trong `edition.json`. Bảng mã
  UTF-8, cột cách nhau bằng dấu phẩy, dấu thập phân là dấu chấm, ô trống là không có.
- `edition.json`: toàn văn bản công bố.
- `datapackage.json`: mô tả theo chuẩn Data Package 2.0 (<https://datapackage.org>).

**Mở bằng Excel.** Dùng Dữ liệu > Từ Văn bản/CSV (Data > From Text/CSV), chọn bảng mã UTF-8 và dấu
phẩy; mở trực tiếp thì Excel tiếng Việt tách cột theo dấu chấm phẩy. Tên bắt đầu bằng ký tự mà phần
mềm bảng tính coi là công thức (=, +, -, @) có thêm dấu nháy đơn ở trước; số âm giữ nguyên.

{ranks_vi}

**Kiểm tra.** Lệnh `sha256sum edition.json` phải cho kết quả `{digest}`.

## English

- `figures.csv`: one row for each agency and criterion, also where there is no value. The `total` of
  all ranked agencies stands in `edition.json` only. UTF-8, commas between columns, a point
  before decimals, empty where there is nothing.
- `edition.json`: the whole edition.
- `datapackage.json`: the description, a Data Package 2.0 (<https://datapackage.org>).

**To open it in Excel**, use Data > From Text/CSV with UTF-8 and commas; opened directly, Vietnamese
Excel separates columns by semicolons. A name that spreadsheets would take for a formula (it begins
with =, +, - or @) has an apostrophe before it; negative numbers stay as they are.

{ranks_en}

**How to check.** `sha256sum edition.json` must give `{digest}`.

## Cột / Columns

{columns}

## Trạng thái / Statuses

{statuses}
"""

_FINDINGS = """
## Lưu ý / Findings

Số trong ngoặc là số số liệu có lưu ý; chi tiết trong `edition.json`. /
In brackets, how many figures have it; the details are in `edition.json`.

{findings}
"""


def data_package(document: bytes, digest: str) -> bytes:
    """The ZIP of an edition's description, table, canonical document and README.

    `document` is the edition's canonical JSON and `digest` its SHA-256 in hexadecimal digits. The
    same edition gives the same bytes: members have a fixed order and the time of freezing, and are
    stored as they are, because what a compressor makes of them changes with its version.
    """
    edition = json.loads(document, parse_float=Decimal)
    table = csv_table(list(COLUMNS), _rows(edition))
    described = _described(edition) | {
        "id": f"sha256:{digest}",
        "resources": [_table(table, _columns(edition)), _document(document, digest)],
    }
    members = {
        "datapackage.json": json.dumps(described, ensure_ascii=False, indent=2).encode(),
        "figures.csv": table,
        "edition.json": document,
        "README.md": _readme(edition, described, digest).encode(),
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
    peers = {ranking["criterion"]: ranking["peer_count"] for ranking in edition["rankings"]}
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
                "measured_in": edition["method"]["unit"],
                **{column: place.get(column) for column in _PLACE},
                **{f"change_{part}": said for part, said in (place.get("change") or {}).items()},
                "findings": [finding["code"] for finding in figure["findings"]],
                "peer_count": peers.get(figure["code"]),
                "method": edition["method"]["id"],
                "view": edition["view"],
                "minimum_n": edition["minimum_n"],
                "edition": edition["code"],
                "response_rate": agency["forms"]["response_rate"],
                "share_rated": agency["dossiers"]["share_rated"],
            }


def _columns(edition: Mapping[str, Any]) -> dict[str, Column]:
    """The columns, as the edition's regime has them."""
    return {**COLUMNS, **REGIMES[edition["method"]["regime"]].columns}


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
        "version": "1.1.0",  # of the layout; a revised edition is another package
        "created": edition["frozen_at"],
        "sources": [{"title": one} for one in sources],
    }


def _summary(edition: Mapping[str, Any]) -> str:
    """What the edition holds, in both languages, and which one it replaces."""
    code, method = edition["code"], edition["method"]
    regime, (what_vi, what_en) = method["regime_name"], REGIMES[method["regime"]].what
    span = f"{edition['period']['first']} – {edition['period']['last']}"
    of, by = edition["peer_group"]["name"], method["name"]
    said = [
        f"Bản công bố {code}: {what_vi} kỳ {span}, {_said(of, 'vi')}.",
        f"Phương pháp: {_said(by, 'vi')} ({method['id']}). {_said(regime, 'vi')}.",
        f"Edition {code}: {what_en}, {span}, {_said(of, 'en')}.",
        f"Method: {_said(by, 'en')} ({method['id']}). {_said(regime, 'en')}.",
    ]
    if edition["supersedes"] is not None:
        said.append(f"Thay thế / Supersedes {edition['supersedes']}: {edition['reason']}")
    return "\n\n".join(said)


def _table(content: bytes, columns: Mapping[str, Column]) -> dict[str, object]:
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
                {"name": name, **KINDS[kind], "description": f"{vi} / {en}"}
                for name, (kind, vi, en) in columns.items()
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


def _readme(edition: Mapping[str, Any], described: Mapping[str, Any], digest: str) -> str:
    """How to read the files, in both languages."""
    columns = {name: f"{vi} / {en}" for name, (_, vi, en) in _columns(edition).items()}
    ranks_vi, ranks_en = REGIMES[edition["method"]["regime"]].ranks
    written = _README.format(
        title=described["title"],
        description=described["description"],
        digest=digest,
        ranks_vi=ranks_vi,
        ranks_en=ranks_en,
        columns=_listed(columns),
        statuses=_listed(STATUSES),
    )
    findings = _findings(edition)
    return written + _FINDINGS.format(findings=_listed(findings)) if findings else written


def _findings(edition: Mapping[str, Any]) -> dict[str, str]:
    """What is noted on figures: on how many, and what it means."""
    noted = Counter(
        code
        for agency in edition["agencies"]
        for figure in agency["figures"]
        for code in {finding["code"] for finding in figure["findings"]}
    )
    # An edition may outlive the codes that are known today.
    return {code: f"({noted[code]}) {FINDINGS.get(code, '')}".strip() for code in sorted(noted)}


def _listed(meanings: Mapping[str, str]) -> str:
    return "\n".join(f"- `{name}`: {meaning}" for name, meaning in meanings.items())


def _said(text: Mapping[str, str], language: str) -> str:
    """The text on one line, in Vietnamese where it has no other."""
    return " ".join((text.get(language) or text["vi"]).split())


def _both(text: Mapping[str, str]) -> str:
    """The text in Vietnamese and, where there is one, in English."""
    return " / ".join(dict.fromkeys((_said(text, "vi"), _said(text, "en"))))
