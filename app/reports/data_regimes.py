"""What the figures of each regime are, and how a reader of their data package must take them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.reports.data_dictionary import Column


@dataclass(frozen=True, slots=True)
class Regime:
    """What figures of a regime are, and how to read their ranks, in Vietnamese and in English.

    `columns` are those that hold something else than satisfaction in percent of answers.
    """

    what: tuple[str, str]
    ranks: tuple[str, str]
    columns: Mapping[str, Column] = field(default_factory=dict)


_NOT_SHARES = (
    "**Không so sánh** số liệu này với tỷ lệ đánh giá hài lòng.",
    "These figures are **not to be compared** with shares of ratings.",
)
_EMPTY = "Luôn để trống", "Always empty"
_NO_LIMITS: Mapping[str, Column] = {
    "ci_low": ("percent", *_EMPTY),
    "ci_high": ("percent", *_EMPTY),
    "rank_low": ("place", *_EMPTY),
    "rank_high": ("place", *_EMPTY),
}
_NO_TARGETS: Mapping[str, Column] = {
    "target": ("percent", *_EMPTY),
    "gap": ("points_apart", *_EMPTY),
    "met": ("yes", *_EMPTY),
}

REGIMES: Mapping[str, Regime] = {
    "ratings": Regime(
        ("chỉ số hài lòng", "satisfaction indices"),
        (
            """\
**Đọc khoảng thứ hạng.** Khảo sát chỉ hỏi được một phần người dân nên thứ hạng cũng có sai số.
Khoảng từ `rank_low` đến `rank_high` cho biết thứ hạng thật có thể nằm ở đâu: tính trung bình trên
các cơ quan của một khối, ít nhất 95 trong 100 khoảng chứa thứ hạng thật; riêng cơ quan đứng đầu và
đứng cuối một cụm cơ quan gần bằng nhau thì khoảng 90. Ví dụ: hạng 3, khoảng 1–6 nghĩa là số liệu
phù hợp với mọi thứ hạng từ 1 đến 6. Mỗi khoảng nói về riêng một cơ quan, không nói về cả bảng xếp
hạng cùng lúc. Khoảng để trống khi không tính được.""",
            """\
**How to read the rank interval.** A survey asks only some of the people, so a rank has a margin of
error too. `rank_low` to `rank_high` says where the true rank may be: on average over the agencies
of a group, at least 95 of 100 intervals hold the true rank; for the first and the last of a cluster
of nearly equal agencies it is about 90. Rank 3 with an interval of 1–6 says that the data agree
with every rank from 1 to 6. Each interval speaks of one agency, not of the whole ranking at once.
It is empty where none could be made.""",
        ),
    ),
    "published": Regime(
        ("chỉ số do nguồn khác công bố", "indices as published by a source"),
        (
            "**Thứ hạng.** Nguồn không công bố số người được hỏi nên không có khoảng thứ hạng.",
            "**Ranks.** The source does not print how many people it asked: no rank intervals.",
        ),
        {
            **_NO_LIMITS,
            "peer_count": (
                "count",
                "Số cơ quan trong khối theo nguồn công bố; nếu nguồn không nêu, số cơ quan đã biết",
                "Agencies in the peer group as the source prints it, or else as known here",
            ),
            "n": (
                "count",
                "Không biết: nguồn không công bố số người",
                "Not known: the source does not print how many people",
            ),
            "numerator": ("amount", *_EMPTY),
            "denominator": ("amount", *_EMPTY),
        },
    ),
    "qd766": Regime(
        (
            "tỷ lệ hồ sơ hài lòng theo Quyết định số 766/QĐ-TTg",
            "shares of satisfied dossiers according to Decision No. 766/QĐ-TTg",
        ),
        (
            f"""\
{_NOT_SHARES[0]} Hồ sơ không được đánh giá được
coi là hài lòng. Tất cả hồ sơ đã trả kết quả đều được tính, không lấy mẫu, nên không có khoảng tin
cậy và khoảng thứ hạng.""",
            f"""\
{_NOT_SHARES[1]} A dossier that nobody rated
counts as satisfied. All returned dossiers are counted, a census and no sample, so there are neither
intervals nor rank intervals.""",
        ),
        {
            **_NO_LIMITS,
            **_NO_TARGETS,
            "criterion": (
                "text",
                "overall là tỷ lệ hồ sơ hài lòng",
                "overall is the share of satisfied dossiers",
            ),
            "value": (
                "percent",
                (
                    "Hồ sơ không trễ hạn và không bị đánh giá không hài lòng, tính bằng phần trăm "
                    "số hồ sơ đã trả kết quả; chỉ có khi status là ok"
                ),
                (
                    "Dossiers neither late nor rated not satisfied, in percent of those returned; "
                    "only where the status is ok"
                ),
            ),
            "n": ("count", "Số hồ sơ đã trả kết quả", "Returned dossiers"),
            "numerator": (
                "amount",
                "Số hồ sơ không trễ hạn và không bị đánh giá không hài lòng",
                "Dossiers neither late nor rated not satisfied",
            ),
            "denominator": ("amount", "Số hồ sơ đã trả kết quả", "Returned dossiers"),
        },
    ),
    "tt01-2018": Regime(
        (
            "điểm chín chỉ số theo Thông tư số 01/2018/TT-VPCP",
            "points of the nine indices according to Circular No. 01/2018/TT-VPCP",
        ),
        (
            f"""\
{_NOT_SHARES[0]} Mỗi chỉ số từ 0 đến 2 điểm, tổng
tối đa 18 điểm, tính từ hồ sơ, bản tự đánh giá và câu trả lời khảo sát; không có khoảng tin cậy và
khoảng thứ hạng.""",
            f"""\
{_NOT_SHARES[1]} Each index has 0 to 2 points,
their total at most 18; they come from dossiers, self-assessments and answers to surveys. There are
neither intervals nor rank intervals.""",
        ),
        {
            **_NO_LIMITS,
            **_NO_TARGETS,
            "criterion": (
                "text",
                "Số thứ tự của chỉ số (1–9); overall là tổng điểm",
                "Number of the index (1–9); overall is the total",
            ),
            "criterion_name": ("text", "Tên chỉ số", "Name of the index, in Vietnamese"),
            "value": (
                "points",
                (
                    "Số điểm: mỗi chỉ số 0–2, tổng tối đa 18, một chữ số thập phân; "
                    "chỉ có khi status là ok"
                ),
                (
                    "Points: 0–2 of each index, the total of at most 18, to one decimal; "
                    "only where the status is ok"
                ),
            ),
            "n": (
                "count",
                (
                    "Số hồ sơ, hoặc số người trả lời; là 1 khi chấm chung cả cơ quan; "
                    "tổng điểm không có"
                ),
                (
                    "Dossiers, or people who answered; 1 where the agency is scored as a whole; "
                    "none of the total"
                ),
            ),
            "numerator": (
                "amount",
                "Tổng số điểm của các hồ sơ hoặc câu trả lời, hoặc điểm chấm chung cả cơ quan",
                "Points of all dossiers or answers, or of the agency as a whole",
            ),
            "denominator": (
                "amount",
                "Số hồ sơ hoặc số câu trả lời; là 1 khi chấm chung cả cơ quan",
                "Dossiers or answers; 1 where the agency is scored as a whole",
            ),
        },
    ),
}
