"""The columns of each kind of rows, which reading, writing and templates share.

A column whose name ends in `.*` stands for as many as there are questions (or questions and
options): `answers.q1`, `counts.q1.5`.
"""

from collections.abc import Mapping
from dataclasses import replace

from app.bulk.choices import APPLICANTS, RATED_ON, SERVED_BY
from app.bulk.column import MOMENT, Column, Holds, code, count, event, reference, text

RATINGS, DOSSIERS, SHEETS, PUBLISHED = KINDS = (
    "ratings",
    "dossiers",
    "tally-sheets",
    "published-indices",
)

_AGENCY = Column(
    "agency",
    Holds.CODE,
    ("Cơ quan", "Agency"),
    ("Mã cơ quan, ví dụ H32.15.", "The agency's code, such as H32.15."),
    "VI-DU",  # of no agency, so that an example that was left in is refused
    required=True,
)
_SURVEY = Column(
    "survey",
    Holds.CODE,
    ("Đợt khảo sát", "Survey"),
    ("Mã đợt khảo sát.", "The survey's code."),
    "tthc-2023",
    required=True,
)
_RATED_ON = Column(
    "channel",
    Holds.CODE,
    ("Kênh đánh giá", "Channel of rating"),
    (
        "Nơi người dân đánh giá, không phải nơi nộp hồ sơ.",
        "Where people rated, which is not how they were served.",
    ),
    "tablet",
    required=True,
    choices=RATED_ON,
)
_COUNTER = Column(
    "counter",
    Holds.CODE,
    ("Quầy", "Counter"),
    ("Mã quầy của cơ quan; để trống nếu không có.", "The agency's counter; empty if none."),
    "Q05",
)


_ROW_ID = Column(
    "id",
    Holds.ROW_ID,
    ("Mã dòng", "Row id"),
    (
        "Để trống; đây không phải số thứ tự. Chỉ phần mềm mới ghi, là một UUID.",
        "Leave it empty, it is no running number. Only programs give one, a UUID.",
    ),
)

_RATING = (
    _AGENCY,
    _SURVEY,
    reference(
        "dossier",
        ("Hồ sơ", "Dossier"),
        ("Mã hồ sơ đã trả kết quả.", "The code of the dossier, whose result was returned."),
        "000.00.15.H32-230712-0001",
        required=True,
    ),
    _RATED_ON,
    _COUNTER,
    Column(
        "rated_at",
        Holds.ANSWERED,
        ("Thời điểm đánh giá", "Rated at"),
        (
            "Ví dụ 18/07/2023 09:31; chỉ ghi ngày: cuối ngày đó; trống hoặc hôm nay: lúc nhập tệp.",
            "Such as 18/07/2023 09:31; a day alone: its end; empty or today: when it is imported.",
        ),
        "18/07/2023 09:31:10",
    ),
    Column(
        "answers.*",
        Holds.CODE,
        ("Câu hỏi", "Question"),
        (
            "Mỗi câu hỏi một cột: mã phương án đã chọn; để trống nếu không trả lời.",
            "A column for each question: the code of the option ticked; empty if none.",
        ),
        "5",
        required=True,
    ),
    text(
        "comment",
        ("Ý kiến", "Comment"),
        (
            "Nguyên văn ý kiến, không có dữ liệu cá nhân.",
            "The comment in its own words, without personal data.",
        ),
        "Hướng dẫn tận tình.",
    ),
    _ROW_ID,
)
_DOSSIER = (
    _AGENCY,
    reference(
        "code",
        ("Mã hồ sơ", "Dossier code"),
        (
            "Ghi như trên giấy tiếp nhận: mã cơ quan-năm tháng ngày-số thứ tự 4 hoặc 5 chữ số.",
            "As on the receipt: the office's code-yymmdd-a number of 4 or 5 digits.",
        ),
        "000.00.15.H32-230712-0001",
        required=True,
    ),
    code(
        "procedure",
        ("Thủ tục", "Procedure"),
        ("Mã thủ tục hành chính.", "The procedure's code."),
        "2.000629",
    ),
    _COUNTER,
    Column(
        "channel",
        Holds.CODE,
        ("Hình thức nộp", "Channel of service"),
        ("Hồ sơ được nộp bằng cách nào.", "How the dossier came."),
        "desk",
        required=True,
        choices=SERVED_BY,
    ),
    Column(
        "received_at",
        Holds.INSTANT,
        ("Ngày tiếp nhận", "Received at"),
        ("Lúc tiếp nhận." + MOMENT[0], "When it was received." + MOMENT[1]),
        "12/07/2023 08:05",
        required=True,
    ),
    Column(
        "due_at",
        Holds.DEADLINE,
        ("Ngày hẹn trả", "Due at"),
        (
            "Hẹn trả trên giấy tiếp nhận, giờ Việt Nam; không ghi giờ thì hiểu là cuối ngày.",
            "The appointment on the receipt, in Vietnam; without a time, the day's end.",
        ),
        "19/07/2023 17:00",
    ),
    reference(
        "officer",
        ("Mã cán bộ", "Officer"),
        ("Mã tham chiếu, không ghi họ tên.", "An opaque reference, never a name."),
        "cb-0115",
    ),
    Column(
        "applicant_kind",
        Holds.CODE,
        ("Loại người nộp", "Applicant kind"),
        ("Để trống: cá nhân.", "Empty: a citizen."),
        "citizen",
        choices=APPLICANTS,
    ),
    event("accepted_at", ("Ngày thụ lý", "Accepted at"), "accepted", ""),
    event("finished_at", ("Ngày có kết quả", "Finished at"), "finished", "18/07/2023 08:00"),
    event(
        "returned_at", ("Ngày trả kết quả", "Returned at"), "result_returned", "18/07/2023 09:30"
    ),
    event("withdrawn_at", ("Ngày rút hồ sơ", "Withdrawn at"), "withdrawn", ""),
)
_SHEET = (
    _AGENCY,
    _SURVEY,
    replace(_RATED_ON, example="paper"),
    Column(
        "period",
        Holds.PERIOD,
        ("Tháng", "Month"),
        ("Tháng của phiếu, ví dụ 10/2022.", "The month of the forms, such as 2022-10."),
        "10/2022",
        required=True,
    ),
    count(
        "forms",
        ("Số phiếu hợp lệ", "Forms"),
        ("Số phiếu đã kiểm.", "How many forms were counted."),
        "13",
        required=True,
    ),
    count(
        "counts.*",
        ("Số lượt", "Count"),
        (
            "Mỗi câu hỏi và phương án một cột (câu hỏi.phương án): số phiếu đã chọn.",
            "A column for each question and option (question.option): how many forms ticked it.",
        ),
        "13",
        required=True,
    ),
    text(
        "accept.*",
        ("Lý do chấp nhận", "Accepted because"),
        (
            "Mỗi câu hỏi cộng không khớp một cột: vì sao vẫn chấp nhận.",
            "A column for each question that does not add up: why that is let stand.",
        ),
    ),
    replace(
        _ROW_ID,
        explained=(
            (
                "Để trống; không phải số thứ tự. Hai tập phiếu khác nhau có mọi số giống hệt nhau: "
                "ghi cho tập sau một mã chưa dùng, không dấu và không cách, ví dụ tap-2-2022-10."
            ),
            (
                "Leave it empty, it is no running number. Of two sheets with the same numbers the "
                "second needs an id, new, in ASCII and without spaces, such as tap-2-2022-10."
            ),
        ),
    ),
)
_PUBLISHED = (
    code("source", ("Nguồn", "Source"), ("Mã nguồn công bố.", "The source's code."), "sipas"),
    Column(
        "period",
        Holds.PERIOD,
        ("Kỳ", "Period"),
        ("Năm, quý hoặc tháng: 2022, Q3/2022, 07/2022.", "2022, 2022-Q3 or 2022-07."),
        "2022",
        required=True,
    ),
    _AGENCY,
    text(
        "title.vi",
        ("Tên tài liệu", "Title (Vietnamese)"),
        ("Tên tài liệu công bố.", "The publication's title in Vietnamese."),
        "Báo cáo chỉ số hài lòng năm 2022",
    ),
    text(
        "title.en",
        ("Tên tài liệu (tiếng Anh)", "Title (English)"),
        ("Không bắt buộc.", "The title in English, if there is one."),
    ),
    Column(
        "peer_group",
        Holds.CODE,
        ("Khối", "Peer group"),
        ("Mã khối mà thứ hạng tính trong đó.", "The peer group that the rank is in."),
        "so-ban-nganh",
    ),
    code(
        "criterion",
        ("Tiêu chí", "Criterion"),
        (
            "Mỗi tiêu chí một dòng; overall là chỉ số chung. Các dòng của một cơ quan liền nhau.",
            "A row for each criterion; overall sums up. An agency's rows stand together.",
        ),
        "overall",
    ),
    text(
        "name.vi",
        ("Tên tiêu chí", "Name (Vietnamese)"),
        ("Tên như đã in.", "The criterion's name as printed."),
        "Chỉ số hài lòng chung",
    ),
    text(
        "name.en",
        ("Tên tiêu chí (tiếng Anh)", "Name (English)"),
        ("Không bắt buộc.", "The name in English, if there is one."),
    ),
    Column(
        "value",
        Holds.PRINTED,
        ("Giá trị", "Value"),
        ("Giá trị như đã in, 0 đến 100, ví dụ 81,75.", "The value as printed, 0 to 100."),
        "81,75",
        required=True,
    ),
    count("rank", ("Thứ hạng", "Rank"), ("Thứ hạng đã in.", "The rank as printed."), "13"),
    count(
        "peer_count",
        ("Số cơ quan trong khối", "Peer count"),
        ("Thứ hạng trên tổng số bao nhiêu.", "How many agencies the rank is out of."),
        "18",
    ),
)

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    RATINGS: _RATING,
    DOSSIERS: _DOSSIER,
    SHEETS: _SHEET,
    PUBLISHED: _PUBLISHED,
}
