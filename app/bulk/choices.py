"""The values of columns that have a list, each with its Vietnamese word."""

RATED_ON = {
    "tablet": "Máy tính bảng tại quầy",
    "portal": "Cổng dịch vụ công",
    "mobile": "Điện thoại",
    "e_office": "E-Office",
    "paper": "Phiếu giấy",
    "post": "Bưu chính",
    "email": "Thư điện tử",
    "sms": "Tin nhắn",
}
SERVED_BY = {"desk": "Trực tiếp", "online": "Trực tuyến", "post": "Bưu chính"}
APPLICANTS = {"citizen": "Cá nhân", "organisation": "Tổ chức"}
