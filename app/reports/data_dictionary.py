"""The words of a data package, in Vietnamese and English: what its columns and codes mean."""

from collections.abc import Mapping

from app.domain.structure import View

STATUSES: Mapping[str, str] = {
    "ok": "có giá trị / there is a value",
    "too_few": "quá ít: dựa trên ít người hơn mức tối thiểu được công bố / "
    "counted, but on fewer people than are ever shown",
    "suppressed": "che số liệu: từ giá trị này có thể suy ra một số liệu quá ít / "
    "withheld because a figure on too few people would follow from it",
    "not_asked": "không hỏi: không đợt khảo sát nào hỏi, hoặc nguồn không công bố / "
    "no survey asks this of the agency, or the source printed nothing",
    "pending": "chờ số liệu: có hỏi nhưng chưa có câu trả lời, hoặc chưa đủ số liệu / "
    "asked, but nothing counted yet, or data are missing",
    "exempt": "không áp dụng: phương pháp không tính được câu hỏi như vậy / "
    "counted, but the method cannot take such a question",
}

GRADE = "xếp loại theo Thông tư 01/2018 / class according to Circular 01/2018"
FINDINGS: Mapping[str, str] = {
    "more-answers-than-forms": "có phiếu tổng hợp ghi số câu trả lời nhiều hơn số phiếu / "
    "a sheet counts more answers than forms",
    "unanswered": "có phiếu bỏ trống câu hỏi / some forms leave a question open",
    "forms-differ-from-distribution": "số phiếu tính được khác số phiếu hợp lệ đã báo cáo / "
    "more or fewer forms are counted than were reported as valid",
    "overall-is-mean-of-criteria": "chỉ số chung đã công bố bằng trung bình các tiêu chí / "
    "the printed overall index equals the mean of the printed criteria",
    "overall-differs-from-mean": "chỉ số chung đã công bố khác trung bình các tiêu chí / "
    "the printed overall index differs from the mean of the printed criteria",
    "mean-of-units": "số đơn vị được đưa vào trung bình / how many units the mean is made of",
    "feedback-not-recorded": "hệ thống chưa ghi nhận phản ánh, kiến nghị nên chưa trừ các hồ sơ "
    "này / feedback about dossiers is not recorded, so none is subtracted",
    "self-assessed": "cơ quan tự đánh giá, không phải kết quả khảo sát / "
    "assessed by the agency itself, not the result of a survey",
    "complaints-self-reported": "hồ sơ có phản ánh, kiến nghị đúng do cơ quan tự khai / "
    "which dossiers had justified complaints is what the agency itself reported",
    "indices-missing": "thiếu chỉ số nên chưa có tổng điểm / "
    "indices have no points, so there is no total",
    "grade-excellent": f"Xuất sắc: {GRADE} (Excellent)",
    "grade-good": f"Tốt: {GRADE} (Good)",
    "grade-fair": f"Khá: {GRADE} (Fair)",
    "grade-average": f"Trung bình: {GRADE} (Average)",
    "grade-weak": f"Yếu: {GRADE} (Weak)",
}

KINDS: Mapping[str, Mapping[str, object]] = {
    "text": {"type": "string", "constraints": {"required": True}},
    "day": {"type": "date", "constraints": {"required": True}},
    "percent": {"type": "number", "constraints": {"minimum": 0, "maximum": 100}},
    "points": {"type": "number", "constraints": {"minimum": 0, "maximum": 18}},
    "amount": {"type": "number", "constraints": {"minimum": 0}},
    "count": {"type": "integer", "constraints": {"minimum": 0}},
    "place": {"type": "integer", "constraints": {"minimum": 1}},
    "points_apart": {"type": "number"},
    "places_apart": {"type": "integer"},
    "yes": {"type": "boolean"},
    "codes": {"type": "string"},
    "status": {"type": "string", "constraints": {"required": True, "enum": list(STATUSES)}},
    "measure": {
        "type": "string",
        "constraints": {"required": True, "enum": ["percent", "points"]},
    },
    "view": {
        "type": "string",
        "constraints": {"required": True, "enum": list(View)},
    },
}

Column = tuple[str, str, str]

# What a column holds, and its meaning in Vietnamese and in English.
COLUMNS: Mapping[str, Column] = {
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
    "measured_in": (
        "measure",
        "Đơn vị tính của giá trị: percent là phần trăm, points là điểm",
        "What the value is counted in: percent or points",
    ),
    "n": ("count", "Số người mà giá trị dựa vào", "People the value rests on"),
    "ci_low": ("percent", "Cận dưới khoảng tin cậy 95 %, phần trăm", "Lower 95 % limit, percent"),
    "ci_high": ("percent", "Cận trên khoảng tin cậy 95 %, phần trăm", "Upper 95 % limit, percent"),
    "rank": ("place", "Thứ hạng trong khối; 1 là cao nhất", "Rank in the peer group; 1 is best"),
    "rank_low": ("place", "Hạng cao nhất trong khoảng thứ hạng", "Best rank of the rank interval"),
    "rank_high": ("place", "Hạng thấp nhất trong khoảng thứ hạng", "Worst rank of that interval"),
    "peer_count": (
        "count",
        "Số cơ quan trong khối, kể cả cơ quan không có thứ hạng",
        "Agencies in the peer group, those without a rank included",
    ),
    "status": ("status", "ok, hoặc lý do không có giá trị", "ok, or why there is no value"),
    "method": ("text", "Phương pháp tính, kèm phiên bản", "Method, with its version"),
    "view": (
        "view",
        (
            "Cơ cấu để so sánh: as_was là theo cơ cấu khi đó, today là theo cơ cấu hiện nay, "
            "like_for_like là chỉ so những cơ quan không đổi"
        ),
        (
            "Structure compared: as_was is that of the period, today that of the day of freezing, "
            "like_for_like only agencies that stayed the same"
        ),
    ),
    "minimum_n": (
        "count",
        "Số người tối thiểu; dưới mức này thì không công bố giá trị",
        "Fewest people whose value is shown",
    ),
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
    "tied_with": (
        "codes",
        "Mã các cơ quan đồng hạng, cách nhau bằng dấu chấm phẩy",
        "Codes of the agencies that share the rank, separated by semicolons",
    ),
    "target": ("percent", "Chỉ tiêu của kỳ, phần trăm", "Value to reach in the period, percent"),
    "gap": (
        "points_apart",
        "Giá trị chính xác trừ chỉ tiêu, điểm phần trăm",
        "Exact value less target, percentage points",
    ),
    "met": (
        "yes",
        "Giá trị chính xác có đạt chỉ tiêu hay không",
        "Whether the exact value reaches the target",
    ),
    "findings": (
        "codes",
        "Mã các lưu ý, cách nhau bằng dấu chấm phẩy; chi tiết trong edition.json",
        "Codes of what is noted, separated by semicolons; the details are in edition.json",
    ),
    "change_value": (
        "points_apart",
        "Thay đổi so với kỳ trước",
        "What changed since the period before",
    ),
    "change_rank": (
        "places_apart",
        "Số bậc thay đổi so với kỳ trước; số âm là lên hạng",
        "Places since the period before; below 0 is a rise",
    ),
    "change_comparable": (
        "yes",
        "Hai kỳ có so sánh được hay không; nếu không, thay đổi không nói lên điều gì",
        "Whether the two periods can be compared; if not, the change says little",
    ),
    "change_reasons": (
        "codes",
        "Vì sao không so sánh được: khác cơ quan trong khối, khác mẫu phiếu, khác phương pháp",
        "Why they cannot be compared: other peers, another questionnaire, another method",
    ),
}
