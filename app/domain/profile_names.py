"""What TT 01/2018/TT-VPCP calls its nine indices, and its classes of agencies."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.questionnaire import Text

INDICES: Mapping[str, Text] = {
    "1": {
        "vi": "Tổng thời gian giải quyết thủ tục hành chính so với quy định của pháp luật",
        "en": "Total time taken for the procedure against the time set by law",
    },
    "2": {
        "vi": "Thời gian thực hiện của từng cơ quan, đơn vị tham gia giải quyết "
        "(kể cả đơn vị phối hợp)",
        "en": "Time taken by each agency and unit taking part, coordinating ones included",
    },
    "3": {
        "vi": "Số lần phải liên hệ với nơi tiếp nhận hồ sơ để hoàn thiện hồ sơ thủ tục hành chính "
        "(kể cả liên hệ theo hình thức trực tuyến)",
        "en": "Times the receiving desk had to be contacted to complete the dossier, online too",
    },
    "4": {
        "vi": "Số lượng cơ quan, đơn vị, tổ chức phải liên hệ để hoàn thiện hồ sơ thủ tục "
        "hành chính (kể cả liên hệ theo hình thức trực tuyến)",
        "en": "Number of agencies, units and bodies contacted to complete the dossier, online too",
    },
    "5": {
        "vi": "Thực hiện tổ chức tiếp nhận hồ sơ, giải quyết, trả kết quả tại Bộ phận Một cửa",
        "en": "Reception, handling and return of results at the one-stop desk",
    },
    "6": {
        "vi": "Công khai các thủ tục hành chính",
        "en": "Publication of the administrative procedures",
    },
    "7": {
        "vi": "Thái độ của cán bộ, công chức, viên chức khi hướng dẫn lập hồ sơ, "
        "tiếp nhận hồ sơ và giải quyết thủ tục hành chính",
        "en": "Attitude of officials when guiding applicants, receiving and handling dossiers",
    },
    "8": {
        "vi": "Tiếp thu, giải trình đối với các ý kiến phản ánh, kiến nghị của tổ chức, cá nhân",
        "en": "Response to the feedback and requests of organisations and individuals",
    },
    "9": {
        "vi": "Tiến độ và chất lượng cung cấp dịch vụ công trực tuyến của cơ quan có thẩm quyền",
        "en": "Progress and quality of the competent agency's online public services",
    },
}


@dataclass(frozen=True, slots=True)
class Grade:
    """A class of agencies, and the fewest points that earn it."""

    least: Decimal
    name: Text


# Best first. Exactly 15 is the best class, though some software wants more than 15.
GRADES: Mapping[str, Grade] = {
    "excellent": Grade(Decimal(15), {"vi": "Xuất sắc", "en": "Excellent"}),
    "good": Grade(Decimal(12), {"vi": "Tốt", "en": "Good"}),
    "fair": Grade(Decimal(9), {"vi": "Khá", "en": "Fair"}),
    "average": Grade(Decimal(6), {"vi": "Trung bình", "en": "Average"}),
    "weak": Grade(Decimal(0), {"vi": "Yếu", "en": "Weak"}),
}
