"""What the demonstration prints: API answers as tables, numbers in the Vietnamese way."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

Json = Mapping[str, Any]

YES, NO = "đạt", "chưa đạt"

STATUS = {2: "Được tiếp nhận", 10: "Đã trả kết quả"}  # of the national portal


def number(value: float | None, decimals: int = 2) -> str:
    """A number with a decimal comma, or a dash."""
    return "–" if value is None else f"{value:.{decimals}f}".replace(".", ",")


def percent(value: float | None, decimals: int = 2) -> str:
    """A percentage with a decimal comma, or a dash."""
    return "–" if value is None else f"{number(value, decimals)} %"


def print_counts(console: Console, survey: str, answer: Json) -> None:
    """Every count of a survey, option by option, with what was found in it."""
    forms = answer["forms"]
    table = _table(f"{survey}: {forms['valid']} phiếu hợp lệ (valid forms)")
    table.add_column("Câu hỏi (question)", ratio=4)
    table.add_column("Số câu trả lời (answers)", ratio=5)
    for figure in answer["figures"]:
        counts = ", ".join(f"{option['label']}: {option['count']}" for option in figure["options"])
        table.add_row(f"{figure['code']}. {figure['name']}", counts)
    console.print(table)
    for figure in answer["figures"]:
        for finding in figure["findings"]:
            reason = f" Lý do chấp nhận: {finding['reason']}" if finding["reason"] else ""
            console.print(f"  [yellow]⚑ {figure['code']}[/]: {finding['detail']}{reason}")


def print_pooled(console: Console, overall: Json, figures: Sequence[Json]) -> None:
    """Figures pooled over both surveys, each with its options, interval and target."""
    forms = overall["forms"]
    table = _table(
        f"Gộp hai phiếu (both surveys): {forms['returned']}/{forms['issued']} phiếu, "
        f"tỷ lệ phản hồi {percent(forms['response_rate'], 1)}"
    )
    for heading in ("Chỉ số (index)", "Mức (option)", "Phiếu", "Tỷ lệ"):
        table.add_column(heading, justify="left" if heading != "Tỷ lệ" else "right")
    for figure in figures:
        name = figure["name"]
        for option in figure["options"]:
            if option["count"]:
                share = percent(option["share"], 1)
                table.add_row(name, option["label"], f"{option['count']}/{figure['n']}", share)
                name = ""
        between = f"{percent(figure['ci_low'])} – {percent(figure['ci_high'])}"
        whole = f"{figure['numerator']}/{figure['denominator']}"
        table.add_row("", f"Hài lòng (KTC 95 %: {between})", whole, percent(figure["value"], 1))
        table.add_section()
    console.print(table)


def print_sipas(console: Console, figures: Sequence[Json], again: Json) -> None:
    """The published figures against their target, and the overall value computed again."""
    table = _table("Chỉ số SIPAS năm 2022, theo công bố (as published); chênh lệch: điểm phần trăm")
    for heading in (
        "Tiêu chí (criterion)",
        "Chỉ số",
        "Chỉ tiêu",
        "Chênh lệch",
        "",
        "Hạng",
    ):
        table.add_column(heading, justify="left" if heading.startswith("Tiêu") else "right")
    for figure in figures:
        table.add_row(
            figure["name"],
            percent(figure["value"]),
            percent(figure["target"], 0),
            number(figure["gap"]),
            f"[green]{YES}[/]" if figure["met"] else f"[red]{NO}[/]",
            f"{figure['rank']}/{figure['peer_count']}",
        )
    console.print(table)
    printed = figures[-1]["value"]
    same = "=" if again["value"] == printed else "≠"
    console.print(
        f"  Tính lại theo mean-of-criteria@1 (computed again): {percent(again['value'])} {same} "
        f"{percent(printed)} đã công bố"
    )
    for finding in figures[-1]["findings"]:
        console.print(f"  ⚑ {finding['detail']}")


def print_live(console: Console, steps: Sequence[Json], before: Json, after: Json) -> None:
    """A dossier's way to a rating, and the figure before and after."""
    registered, returned, rated = steps
    table = _table("Chạy thử (live), Sở Minh họa: hồ sơ → trả kết quả → đánh giá")
    for heading in ("Bước (step)", "Kết quả (result)"):
        table.add_column(heading)
    table.add_row(
        "Đăng ký hồ sơ (dossier)", f"{registered['code']}: {STATUS[registered['status']]}"
    )
    on_time = "đúng hạn" if returned["on_time"] else "trễ hạn"
    table.add_row("Trả kết quả (returned)", f"{STATUS[returned['status']]}, {on_time}")
    table.add_row("Đánh giá (rating)", rated["id"])
    for name, figure in (("Trước (before)", before), ("Sau (after)", after)):
        share = f"{figure['numerator']}/{figure['denominator']}"
        table.add_row(name, f"{percent(figure['value'])}  ({share} câu trả lời, n = {figure['n']})")
    console.print(table)


def print_edition(console: Console, published: Json, ranking: Json) -> None:
    """A published ranking, with how sure each rank is and what changed."""
    table = _table(f"Bản công bố (edition) {published['code']}: xếp hạng theo cơ cấu hiện nay")
    headings = ("Hạng", "Khoảng hạng", "Cơ quan", "Chỉ số", "KTC 95 %", "± điểm %")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "Cơ quan" else "right")
    for row in ranking["rows"]:
        change = row["change"]
        table.add_row(
            f"{row['rank']}/{ranking['peer_count']}",
            f"{row['rank_low']} – {row['rank_high']}",
            row["agency"]["name"],
            percent(row["value"]),
            f"{percent(row['ci_low'])} – {percent(row['ci_high'])}",
            number(change["value"]) if change else "–",
        )
    console.print(table)
    console.print(f"  {published['url']}  {published['digest']}", soft_wrap=True, highlight=False)


def print_welcome(console: Console, address: str, key: str) -> None:
    """Where the service is and with which key."""
    console.print(
        Panel.fit(
            f"[bold]{address}[/]\n{address}/docs\n"
            f"Khóa quản trị (admin key):\n[bold]{key}[/]\n"
            "Ctrl-C để dừng (to stop)",
            title="hailong",
        )
    )
    console.print(
        f"curl -H 'Authorization: Bearer {key}' "
        f"'{address}/v1/rankings?peer_group=so-ban-nganh&period=2022&source=sipas'\n",
        soft_wrap=True,
        highlight=False,
    )


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, expand=False)
