"""The page behind an invitation, as a browser without scripts meets it."""

import base64
import hashlib
import re
from datetime import timedelta
from functools import partial
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
import segno
from conftest import NOW, driver
from factories import five_levels, questionnaire
from sqlalchemy import text

from app import logs
from app.db.group_commit import GroupCommit
from app.db.session import open_engine, sessions

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Accept": "application/json"}
ENGLISH = {"Accept-Language": "en-GB,en;q=0.9"}
BOTH = {"Accept-Language": "en-GB,en;q=0.9,vi-VN;q=0.5"}
ASKED = questionnaire(("access", [five_levels("q1")]), ("attitude", [five_levels("q.2", na=True)]))


@pytest.fixture
async def dossier(make):
    await make.agency(name={"vi": "Sở Công Thương", "en": "Department of Industry and Trade"})
    await make.survey(form=ASKED)
    return await make.dossier()


@pytest.fixture
async def page(make, dossier):
    """The address of the page of a fresh invitation."""
    answer = await make.admin.post(f"/v1/agencies/A1/dossiers/{dossier}/invitations")
    assert answer.status_code == 201, answer.text
    return answer.json()["url"]


class Read(HTMLParser):
    """What a browser makes of a page: its elements, and the fields it would send."""

    def __init__(self, answer):
        super().__init__()
        self.elements, self.ids = [], {}
        self.feed(answer.text)

    def handle_starttag(self, tag, attrs):
        element = (tag, dict(attrs))
        self.elements.append(element)
        if "id" in element[1]:
            assert element[1]["id"] not in self.ids
            self.ids[element[1]["id"]] = element[1]

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def field(self, name):
        (found,) = [one["value"] for one in self.all("input") if one["name"] == name]
        return found

    @property
    def within(self):
        """Where the links lead that do not leave the page."""
        return [one["href"] for one in self.all("a") if one["href"].startswith("#")]

    @property
    def spoken(self):
        """The language of the page, which is also the one that the switch marks."""
        (html,) = self.all("html")
        links = [one for one in self.all("a") if "hreflang" in one]
        assert [(one["lang"], one["hreflang"], one["href"]) for one in links] == [
            ("vi", "vi", "?lang=vi"),
            ("en", "en", "?lang=en"),
        ]
        assert [one["lang"] for one in links if one.get("aria-current") == "true"] == [html["lang"]]
        return html["lang"]

    @property
    def ticked(self):
        return {one["name"]: one["value"] for one in self.all("input") if "checked" in one}


async def send(client, page, fields, **headers):
    return await client.post(page, content=urlencode(fields), headers=FORM | headers)


async def opened(session):
    return await session.scalar(text("SELECT coalesce(sum(opened), 0)::int FROM funnel"))


async def ratings(session):
    rows = await session.execute(text("SELECT answers, comment, channel FROM rating"))
    return [tuple(row) for row in rows]


async def test_the_page_asks_what_the_survey_asks(anonymous, page, dossier):
    answer = await anonymous.get(page)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "Đợt s1" in answer.text
    assert "Sở Công Thương" in answer.text
    assert "Câu hỏi q1" in answer.text
    options = [(one["name"], one["value"]) for one in Read(answer).all("input")[1:]]
    assert options == [("q-q1", code) for code in "54321"] + [
        ("q-q.2", code) for code in ("5", "4", "3", "2", "1", "na")
    ]
    assert dossier not in answer.text


async def test_every_question_is_a_group_with_a_legend_and_every_field_has_a_label(anonymous, page):
    answer = await anonymous.get(page)
    read = Read(answer)
    assert len(read.all("fieldset")) == len(read.all("legend")) == 2
    assert len(read.all("label")) == 11 + 1
    assert {"for": "comment", "class": "label"} in read.all("label")
    assert "required" not in answer.text


async def test_the_page_speaks_the_readers_language(anonymous, page):
    vietnamese, english = await anonymous.get(page), await anonymous.get(page, headers=ENGLISH)
    for answer, language in ((vietnamese, "vi"), (english, "en")):
        assert Read(answer).all("html") == [{"lang": language}]
        assert answer.headers["content-language"] == language
        assert "Accept-Language" in answer.headers["vary"]
    assert "Gửi đánh giá" in vietnamese.text
    assert "hiệu lực đến 17:00 ngày 15/07/2026" in vietnamese.text
    assert "Send rating" in english.text
    assert "Department of Industry and Trade" in english.text
    assert "17:00 on 15 July 2026" in english.text


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        (None, "vi"),
        ("", "vi"),
        ("*", "vi"),
        ("fr-FR,de", "vi"),
        ("en-US,en;q=0.9,vi;q=0.1", "vi"),
        ("en,VI-vn ;q=0.5", "vi"),
        ("en-US", "en"),
        ("fr,en;q=0.3", "en"),
    ],
)
async def test_the_page_is_in_vietnamese_for_all_who_read_it(anonymous, page, wish, language):
    headers = {} if wish is None else {"Accept-Language": wish}
    for address in (page, "/r/thanks", "/r/x"):
        assert Read(await anonymous.get(address, headers=headers)).spoken == language


@pytest.mark.parametrize("chosen", ["vi", "en"])
@pytest.mark.parametrize("headers", [{}, ENGLISH, BOTH])
async def test_the_language_that_was_chosen_wins_and_stays(anonymous, page, headers, chosen):
    form = await anonymous.get(f"{page}?lang={chosen}", headers=headers)
    assert Read(form).spoken == form.headers["content-language"] == chosen
    address = form.url.join(Read(form).all("form")[0]["action"])
    faulty = await send(anonymous, address, {}, **headers)
    assert (faulty.status_code, Read(faulty).spoken) == (422, chosen)
    address = faulty.url.join(Read(faulty).all("form")[0]["action"])
    answer = await send(anonymous, address, {"q-q1": "5"}, **headers)
    assert answer.status_code == 303
    thanks = await anonymous.get(answer.url.join(answer.headers["location"]), headers=headers)
    assert (thanks.url.path, Read(thanks).spoken) == ("/r/thanks", chosen)
    for used in (await anonymous.get(address), await send(anonymous, address, {"q-q1": "1"})):
        assert (used.status_code, Read(used).spoken) == (410, chosen)


@pytest.mark.parametrize("query", ["lang=fr", "lang=", "lang=EN", "lang=%00", "language=en"])
async def test_another_language_is_not_chosen(anonymous, page, query):
    for headers, language in (({}, "vi"), (ENGLISH, "en"), (BOTH, "vi")):
        answer = await anonymous.get(f"{page}?{query}", headers=headers)
        assert (answer.status_code, Read(answer).spoken) == (200, language)


async def test_an_application_is_answered_in_the_language_that_it_prefers(anonymous, page):
    answers = [
        await anonymous.get(page, headers=JSON | BOTH),
        await anonymous.get(f"{page}?lang=vi", headers=JSON | BOTH),
    ]
    assert [one.headers["content-language"] for one in answers] == ["en", "vi"]


async def test_what_is_there_in_vietnamese_only_says_so(anonymous, page):
    english = await anonymous.get(page, headers=ENGLISH)
    assert '<span lang="vi">Câu hỏi q1</span>' in english.text
    assert "<span lang" not in (await anonymous.get(page)).text


async def test_the_page_promises_confidentiality(anonymous, page):
    assert "không lưu họ tên" in (await anonymous.get(page)).text
    english = await anonymous.get(page, headers=ENGLISH)
    assert "Neither your name" in english.text


async def test_the_page_runs_nothing_and_leaks_nothing(anonymous, page):
    for answer in (await anonymous.get(page), await anonymous.get("/r/thanks")):
        headers, read = answer.headers, Read(answer)
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        style = re.search("<style>(.*)</style>", answer.text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert policy["default-src"] == "'none'"
        assert policy["style-src"] == f"'sha256-{digest}'"
        assert policy["form-action"] == "'self'"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert not read.all("script") + read.all("link") + read.all("img")
        assert "style=" not in answer.text


async def test_an_application_is_told_what_the_page_asks(anonymous, page):
    answer = await anonymous.get(page, headers=JSON | ENGLISH)
    said = answer.json()
    assert answer.status_code == 200
    assert said["agency"] == {"code": "A1", "name": "Department of Industry and Trade"}
    assert said["survey"] == {"code": "s1", "title": "Đợt s1"}
    assert said["expires_at"] == "2026-07-15T17:00:00+07:00"
    assert [c["code"] for c in said["questionnaire"]["criteria"]] == ["access", "attitude"]
    assert answer.headers["cache-control"] == "no-store"


async def test_a_browser_that_also_takes_json_is_given_the_page(anonymous, page):
    answer = await anonymous.get(page, headers={"Accept": "text/html,application/json;q=0.9"})
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("headers", [{}, JSON])
async def test_an_opening_is_counted_once(anonymous, page, session, headers):
    assert await opened(session) == 0
    for _ in range(3):
        await anonymous.get(page, headers=headers)
        assert await opened(session) == 1


async def test_a_dossier_is_opened_once_however_often_it_was_invited(
    anonymous, make, page, dossier, session
):
    await anonymous.get(page)
    again = await make.admin.post(f"/v1/agencies/A1/dossiers/{dossier}/invitations")
    await anonymous.get(again.json()["url"])
    assert await opened(session) == 1


async def test_only_the_page_counts_as_opened(app, anonymous, page, session):
    await anonymous.get(f"{page}.svg")
    await send(anonymous, page, {"q-q1": "6"})
    app.state.clock = lambda: NOW + timedelta(days=31)
    await anonymous.get(page)
    assert await opened(session) == 0


async def test_a_rating_is_sent_and_thanked_for(anonymous, page, session):
    fields = {"id": Read(await anonymous.get(page)).field("id"), "q-q1": "5", "q-q.2": "na"}
    answer = await send(anonymous, page, fields | {"comment": " Nhanh,\r\ngọn. "})
    assert answer.status_code == 303
    thanks = await anonymous.get(answer.url.join(answer.headers["location"]))
    assert thanks.status_code == 200
    assert "Đánh giá của Ông/Bà đã được ghi nhận." in thanks.text
    assert await ratings(session) == [([1, 6], "Nhanh,\ngọn.", "mobile")]


async def test_the_address_of_the_thanks_gives_nothing_away(anonymous, page):
    answer = await send(anonymous, page, {"q-q1": "5"})
    assert answer.url.join(answer.headers["location"]).path == "/r/thanks"


async def test_the_lower_case_of_a_token_does_as_well(anonymous, page, session):
    answer = await send(anonymous, page.lower(), {"q-q1": "4"})
    assert answer.status_code == 303
    assert await ratings(session) == [([2, 0], None, "mobile")]


async def test_a_second_tap_is_thanked_and_counted_once(anonymous, page, session):
    fields = {"id": Read(await anonymous.get(page)).field("id"), "q-q1": "5"}
    for _ in range(2):
        assert (await send(anonymous, page, fields)).status_code == 303
    assert len(await ratings(session)) == 1


async def test_what_was_sent_cannot_be_changed_by_going_back(anonymous, page, session):
    fields = {"id": Read(await anonymous.get(page)).field("id"), "q-q1": "5"}
    await send(anonymous, page, fields)
    answer = await send(anonymous, page, fields | {"q-q1": "1"})
    assert answer.status_code == 410
    assert "đã được ghi nhận" in answer.text
    assert await ratings(session) == [([1, 0], None, "mobile")]


async def test_a_rated_dossier_is_not_asked_again(anonymous, page, session):
    await send(anonymous, page, {"q-q1": "5"})
    for answer in (await anonymous.get(page), await send(anonymous, page, {"q-q1": "1"})):
        assert answer.status_code == 410
        assert "Lời mời đánh giá đã được sử dụng" in answer.text
        assert "<form" not in answer.text
    problem = await anonymous.get(page, headers=JSON)
    assert (problem.status_code, problem.json()["code"]) == (410, "invitation-used")
    assert await opened(session) == 0


async def test_a_dossier_rated_at_the_counter_is_not_asked_again(anonymous, make, page, dossier):
    await make.rate({"q1": "5"}, dossier=dossier)
    assert (await anonymous.get(page)).status_code == 410


async def test_an_expired_invitation_says_so(app, anonymous, page):
    app.state.clock = lambda: NOW + timedelta(days=30)
    for answer in (await anonymous.get(page), await send(anonymous, page, {"q-q1": "1"})):
        assert answer.status_code == 410
        assert "Lời mời đánh giá đã hết hạn" in answer.text
        assert "Liên hệ quầy trả kết quả" in answer.text
    english = await anonymous.get(page, headers=ENGLISH)
    assert Read(english).all("html") == [{"lang": "en"}]
    assert "expired" in english.text


async def test_a_revoked_invitation_says_so(anonymous, make, page, dossier):
    await make.admin.delete(f"/v1/agencies/A1/dossiers/{dossier}/invitations")
    for answer in (await anonymous.get(page), await send(anonymous, page, {"q-q1": "1"})):
        assert answer.status_code == 410
        assert "không còn hiệu lực" in answer.text


@pytest.mark.parametrize("token", ["x", "A" * 32, "AAAAAAI" + "A" * 25, "%00", "ı" * 32])
async def test_what_is_no_invitation_says_so(anonymous, token):
    for answer in (
        await anonymous.get(f"/r/{token}"),
        await send(anonymous, f"/r/{token}", {"q-q1": "1"}),
    ):
        assert answer.status_code == 404
        assert "Không tìm thấy lời mời đánh giá" in answer.text
        assert answer.headers["referrer-policy"] == "no-referrer"
    problem = await anonymous.get(f"/r/{token}", headers=JSON)
    assert (problem.status_code, problem.json()["code"]) == (404, "invitation-not-found")


async def test_a_survey_that_was_closed_meanwhile_says_so(anonymous, make, page):
    await make.survey(form=ASKED, closes_on="2026-06-14")
    answer = await send(anonymous, page, {"q-q1": "5"})
    assert answer.status_code == 409
    assert "Đợt khảo sát không nhận đánh giá" in answer.text
    assert "liên hệ quầy" in answer.text


async def test_without_an_answer_the_form_comes_back_with_what_was_entered(
    anonymous, page, session
):
    answer = await send(anonymous, page, {"comment": 'Tốt <b>"lắm"</b>'})
    assert answer.status_code == 422
    read = Read(answer)
    assert "Phải trả lời ít nhất một câu hỏi." in answer.text
    assert "Tốt &lt;b&gt;&#34;lắm&#34;&lt;/b&gt;</textarea>" in answer.text
    assert read.within == ["#form"]
    assert "form" in read.ids
    assert await ratings(session) == []
    fields = {"id": read.field("id"), "q-q1": "5"}
    assert (await send(anonymous, page, fields)).status_code == 303


async def test_a_fault_is_named_next_to_its_question_and_the_rest_is_kept(anonymous, page):
    answer = await send(anonymous, page, {"q-q1": "4", "q-q.2": "6"})
    read = Read(answer)
    assert answer.status_code == 422
    assert read.ticked == {"q-q1": "4"}
    assert read.ids["q-q.2"]["aria-invalid"] == "true"
    assert read.ids["q-q.2"]["aria-describedby"] in read.ids
    assert "aria-invalid" not in read.ids["q-q1"]
    assert read.within == ["#q-q.2"]
    assert "<title>Đánh giá chưa được gửi – " in answer.text


async def test_an_overlong_comment_is_kept_to_be_shortened(anonymous, page):
    comment = "dài " * 1001
    answer = await send(anonymous, page, {"q-q1": "4", "comment": comment})
    read = Read(answer)
    assert answer.status_code == 422
    assert comment.strip() in answer.text
    assert read.ids["comment"]["aria-invalid"] == "true"
    assert "comment:fault" in read.ids
    assert read.ticked == {"q-q1": "4"}


@pytest.mark.parametrize("fields", [{"q-q9": "1"}, {"q-": "1"}, {"q-q1": "<b>"}, {"id": "1"}])
async def test_what_no_browser_sends_is_refused_with_the_form(anonymous, page, fields, session):
    answer = await send(anonymous, page, fields)
    assert answer.status_code == 422
    assert "<b>" not in answer.text
    assert await ratings(session) == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"q-q1=5", {}, 415),
        (b"q-q1=%ff", FORM, 400),
        (b"\xff", FORM, 400),
        (b"a=1&" * 5100, FORM, 400),
        (b"a" * 1_100_000, FORM, 413),
    ],
)
async def test_other_bodies_than_a_forms_are_refused(anonymous, page, body, headers, status):
    answer = await anonymous.post(page, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_when_too_many_send_at_once_the_form_comes_back(app, anonymous, page, connection):
    app.state.group_commit = GroupCommit(partial(driver, connection), most_waiting=0)
    answer = await send(anonymous, page, {"q-q1": "5", "comment": "Tốt"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "Hệ thống đang bận" in answer.text
    assert Read(answer).ticked == {"q-q1": "5"}
    assert "Tốt</textarea>" in answer.text


async def test_without_a_database_the_page_asks_for_patience(app, anonymous, page):
    engine = open_engine("postgresql://nobody@127.0.0.1:1/nowhere")
    app.state.sessions = sessions(engine)
    for answer in (await anonymous.get(page), await send(anonymous, page, {"q-q1": "5"})):
        assert answer.status_code == 503
        assert "tạm thời gián đoạn" in answer.text
        assert "không bị tính hai lần" in answer.text
    assert (await anonymous.get(page, headers=JSON)).json()["code"] == "database-unavailable"
    assert (await anonymous.get(f"{page}.svg")).status_code == 200
    await engine.dispose()


async def test_the_token_is_not_logged(anonymous, page, capsys):
    logs.configure("info")
    for _ in range(2):
        await anonymous.get(page)
        await anonymous.get(f"{page}.svg")
        await anonymous.get(page, headers=JSON)
        await send(anonymous, page, {"q-q1": "5"})
    logs.configure("error")
    written = capsys.readouterr().err
    assert '"route": "/r/{token:token}"' in written
    assert page.removeprefix("/r/") not in written


def lines_of(address):
    """How the code of an address is drawn."""
    drawn = segno.make_qr(address, error="m").svg_inline()
    return re.search('class="qrline".* d="(.*?)"', drawn)[1]


async def test_the_code_leads_to_the_page(app, anonymous, page, settings):
    drawn = await anonymous.get(f"{page}.svg")
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")
    assert drawn.headers["cache-control"].startswith("private")
    assert "<title>Mã QR mời đánh giá</title><desc>" in drawn.text
    assert lines_of(f"http://test{page}") in drawn.text
    assert (await anonymous.get(f"{page.lower()}.svg")).text == drawn.text
    settings.public_url = "https://danhgia.example.vn/hailong/"
    elsewhere = await anonymous.get(f"{page}.svg", headers=ENGLISH)
    assert "<title>QR code" in elsewhere.text
    assert lines_of(f"https://danhgia.example.vn/hailong{page}") in elsewhere.text


async def test_the_code_of_no_token_and_for_no_address_is_refused(anonymous, page):
    answer = await anonymous.get("/r/thanks.svg")
    assert (answer.status_code, answer.json()["code"]) == (404, "invitation-not-found")
    answer = await anonymous.get(f"{page}.svg", headers={"Host": "a" * 3000})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")
