"""Webhooks: who may have which, their secrets, and the list of what was sent."""

import base64
import json
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from conftest import NOW
from sqlalchemy import event, text, update

from app.api import webhook_events
from app.db import deliveries, occurrences, webhooks
from app.db.tables import Delivery, Webhook
from app.domain import webhook as rules

PATH = "/v1/webhooks/w1"
BODY = {"url": "https://receiver.example.vn/in", "events": ["edition.published"]}
EDITION = rules.edition_published("e1", "g", (date(2026, 1, 1), date(2026, 3, 31)), None, NOW)


MODELS = {
    model.model_fields["type"].annotation.__args__[0]: model
    for model in webhook_events.CloudEvent.__subclasses__()
}
COUNTS = {"kind": "ratings", "state": "done", "dry_run": False, "read": 1}
COUNTS |= {"accepted": 1, "replayed": 0, "rejected": 0}
HAPPENED = [
    EDITION,
    rules.operation_finished(uuid4(), NOW, COUNTS, None),
    rules.rating_low("A1", uuid4(), "s1", date(2026, 6, 15)),
    rules.dossier_overdue("A1", "000.00.01.H00-260601-00001", NOW),
]


@pytest.mark.parametrize("event", HAPPENED, ids=lambda event: event.type.value)
def test_the_contract_says_what_is_sent(app, event):
    model = MODELS[event.type]
    assert model.model_validate_json(event.body)
    said = app.openapi()["webhooks"][event.type]["post"]["requestBody"]["content"]
    assert said["application/cloudevents+json"]["schema"]["$ref"].endswith(model.__name__)
    assert model.model_validate(model.model_config["json_schema_extra"]["examples"][0])


async def bodies(session, webhook="w1"):
    stmt = text("SELECT body FROM webhook_delivery WHERE webhook = :webhook ORDER BY body")
    return (await session.scalars(stmt, {"webhook": webhook})).all()


async def told(session, webhook="w1"):
    stmt = text("SELECT type FROM webhook_delivery WHERE webhook = :webhook ORDER BY type")
    return list(await session.scalars(stmt, {"webhook": webhook}))


async def test_a_webhook_is_created_with_a_secret_that_is_shown_once(client):
    made = await client.put(PATH, json=BODY)
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
    again, read = await client.put(PATH, json=BODY), await client.get(PATH)
    assert (again.status_code, read.status_code) == (200, 200)
    assert again.json()["secret"] is read.json()["secret"] is None
    assert secret not in again.text + read.text


async def test_a_webhook_is_read_as_it_was_put(client, make):
    await make.agency()
    body = {"url": "https://example.vn/x", "events": ["rating.low", "dossier.overdue"]}
    await client.put(PATH, json=body | {"agencies": ["A1"], "active": False})
    assert (await client.get(PATH)).json() == {
        "id": "w1",
        "url": "https://example.vn/x",
        "events": ["dossier.overdue", "rating.low"],
        "agencies": ["A1"],
        "active": False,
        "failing_since": None,
        "paused_at": None,
        "pause_reason": None,
        "secrets": [{"number": 1, "created_at": "2026-06-15T17:00:00+07:00"}],
        "secret": None,
    }


async def test_the_database_alone_does_not_tell_the_secret(client, session):
    secret = (await client.put(PATH, json=BODY)).json()["secret"]
    row = await session.scalar(text("SELECT to_jsonb(s) FROM webhook_secret AS s"))
    assert base64.b64decode(secret[6:]).hex() not in str(row)
    assert secret[6:] not in str(row)


async def test_two_secrets_live_while_they_are_exchanged(client):
    first = (await client.put(PATH, json=BODY)).json()["secret"]
    second = await client.post(f"{PATH}/secrets")
    assert (second.status_code, second.json()["number"]) == (201, 2)
    assert second.json()["secret"] != first
    third = await client.post(f"{PATH}/secrets")
    assert (third.status_code, third.json()["code"]) == (409, "too-many-secrets")
    assert (await client.delete(f"{PATH}/secrets/1")).status_code == 204
    assert [one["number"] for one in (await client.get(PATH)).json()["secrets"]] == [2]
    last = await client.delete(f"{PATH}/secrets/2")
    assert (last.status_code, last.json()["code"]) == (409, "last-secret")
    none = await client.delete(f"{PATH}/secrets/1")
    assert (none.status_code, none.json()["code"]) == (404, "webhook-secret-not-found")


async def test_a_number_is_of_one_secret_only_however_often_they_are_exchanged(client):
    shown = [(await client.put(PATH, json=BODY)).json()["secret"]]
    for number in (2, 3, 4):
        made = (await client.post(f"{PATH}/secrets")).json()
        shown.append(made["secret"])
        assert made["number"] == number
        for status in (204, 404):
            ended = await client.delete(f"{PATH}/secrets/{number - 1}")
            assert ended.status_code == status
    assert [one["number"] for one in (await client.get(PATH)).json()["secrets"]] == [4]
    for number in (5, 6):
        assert (await client.post(f"{PATH}/secrets")).json()["number"] == number
        assert (await client.delete(f"{PATH}/secrets/{number}")).status_code == 204
    assert len(set(shown)) == 4


async def test_an_ended_secret_does_not_come_back_with_the_request_that_made_it(client):
    await client.put(PATH, json=BODY)
    named = {"Idempotency-Key": "exchange-1"}
    made = await client.post(f"{PATH}/secrets", headers=named)
    await client.delete(f"{PATH}/secrets/2")
    again = await client.post(f"{PATH}/secrets", headers=named)
    assert (again.status_code, again.json()["code"]) == (409, "webhook-secret-ended")
    assert [one["number"] for one in (await client.get(PATH)).json()["secrets"]] == [1]
    await client.delete(PATH)
    await client.put(PATH, json=BODY)
    other = await client.post(f"{PATH}/secrets", headers=named)
    assert (other.status_code, "Idempotent-Replayed" in other.headers) == (201, False)
    assert other.json()["secret"] != made.json()["secret"]


async def test_an_ended_secret_signs_nothing_more(client, session):
    await client.put(PATH, json=BODY)
    await client.post(f"{PATH}/secrets")
    await client.delete(f"{PATH}/secrets/1")
    await webhooks.enqueue(session, NOW, EDITION)
    (claimed,) = await deliveries.claim(session, NOW, [], 1)
    live = text("SELECT salt FROM webhook_secret WHERE number = 2")
    assert claimed.salts == [await session.scalar(live)]


async def test_a_secret_whose_answer_was_lost_is_shown_to_who_asks_again(client):
    await client.put(PATH, json=BODY)
    named = {"Idempotency-Key": "exchange-1"}
    first, again = [await client.post(f"{PATH}/secrets", headers=named) for _ in range(2)]
    assert again.json() == first.json()
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (
        False,
        "true",
    )
    other = await client.post(f"{PATH}/secrets", headers={"Idempotency-Key": "exchange-2"})
    assert other.json()["code"] == "too-many-secrets"


async def test_an_unknown_webhook_is_said_to_be_so(client):
    answers = [
        await client.get(PATH),
        await client.delete(PATH),
        await client.post(f"{PATH}/secrets"),
        await client.delete(f"{PATH}/secrets/1"),
        await client.get(f"{PATH}/deliveries"),
        await client.post(f"{PATH}/deliveries/{uuid4()}/redeliver"),
    ]
    assert {(one.status_code, one.json()["code"]) for one in answers} == {
        (404, "webhook-not-found")
    }


@pytest.mark.parametrize(
    ("wrong", "pointer", "code"),
    [
        ({"url": "http://example.vn/"}, "/url", "webhook-url-not-https"),
        ({"url": "https://10.0.0.1/"}, "/url", "webhook-url-private"),
        ({"url": "https://a:b@example.vn/"}, "/url", "bad-webhook-url"),
        ({"url": "https://example.vn/" + "a" * 2000}, "/url", "too-long"),
        ({"events": ["feedback.received"]}, "/events/0", "not-allowed"),
        ({"events": ["rating.high"]}, "/events/0", "not-allowed"),
        ({"events": []}, "/events", "too-short"),
        ({"agencies": []}, "/agencies", "too-short"),
        ({"active": "yes"}, "/active", "wrong-type"),
        ({"secret": "whsec_mine"}, "/secret", "unknown-field"),
        ({"agencies": ["A9"]}, "/agencies/0", "agency-not-found"),
    ],
)
async def test_a_webhook_that_cannot_be_is_refused(client, wrong, pointer, code):
    answer = await client.put(PATH, json=BODY | wrong)
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [(pointer, code)]
    assert (await client.get(PATH)).status_code == 404


async def test_a_key_subscribes_only_to_what_it_may_read(make):
    writer = await make.caller("webhooks:write")
    answer = await writer.put(PATH, json=BODY | {"events": ["edition.published", "rating.low"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert answer.json()["errors"][0]["pointer"] == "/events/1"
    assert (await writer.put(PATH, json=BODY)).status_code == 201
    assert (await writer.get(PATH)).json()["code"] == "scope-missing"


async def test_a_key_of_one_agency_has_webhooks_of_only_this_one(make):
    for code in ("A1", "A2"):
        await make.agency(code)
    everybody = await make.caller()
    own, others = await make.caller(agencies={"A1"}), await make.caller(agencies={"A2"})
    for body in (BODY, BODY | {"agencies": ["A1", "A2"]}):
        answer = await own.put(PATH, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "agency-not-allowed")
    body = BODY | {"agencies": ["A1"]}
    assert (await own.put(PATH, json=body)).status_code == 201
    await everybody.put("/v1/webhooks/w0", json=BODY)
    assert (await own.get(PATH)).status_code == 200
    for path in (PATH, "/v1/webhooks/w0"):
        taken = await others.put(path, json=BODY | {"agencies": ["A2"]})
        assert (taken.status_code, taken.json()["code"]) == (403, "agency-not-allowed")
        answers = [
            await others.get(path),
            await others.delete(path),
            await others.post(f"{path}/secrets"),
            await others.delete(f"{path}/secrets/1"),
            await others.get(f"{path}/deliveries"),
            await others.post(f"{path}/deliveries/{uuid4()}/redeliver"),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (404, "webhook-not-found")

    async def seen(caller):
        return [one["id"] for one in (await caller.get("/v1/webhooks")).json()["items"]]

    assert (await seen(own), await seen(others)) == (["w1"], [])
    assert await seen(everybody) == ["w0", "w1"]


async def test_webhooks_are_listed_a_page_at_a_time(client):
    for number in range(3):
        await client.put(f"/v1/webhooks/w{number}", json=BODY)
    first = await client.get("/v1/webhooks", params={"limit": 2})
    assert [one["id"] for one in first.json()["items"]] == ["w0", "w1"]
    assert 'rel="next"' in first.headers["Link"]
    rest = await client.get(first.headers["Link"].partition(">")[0].removeprefix("<"))
    assert [one["id"] for one in rest.json()["items"]] == ["w2"]
    assert rest.json()["next_cursor"] is None


async def test_a_list_of_webhooks_asks_the_database_no_more_often_than_one_webhook(
    client, connection
):
    asked = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *a: asked.append(a[2]))
    counts = []
    for number in range(3):
        await client.put(f"/v1/webhooks/w{number}", json=BODY)
        asked.clear()
        (*_, last) = (await client.get("/v1/webhooks")).json()["items"]
        counts.append(len(asked))
        assert [one["number"] for one in last["secrets"]] == [1]
    assert len(set(counts)) == 1


async def test_a_webhook_that_somebody_else_changed_is_not_overwritten(client):
    tag = (await client.put(PATH, json=BODY)).headers["ETag"]
    assert (await client.get(PATH)).headers["ETag"] == tag
    await client.post(f"{PATH}/secrets")
    assert (await client.get(PATH)).headers["ETag"] != tag
    answer = await client.put(PATH, json=BODY, headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition-failed")


async def test_a_deleted_webhook_is_gone_with_all_that_was_its(client, session):
    await client.put(PATH, json=BODY)
    await webhooks.enqueue(session, NOW, EDITION)
    assert (await client.delete(PATH)).status_code == 204
    assert await told(session) == []
    assert (await client.put(PATH, json=BODY)).json()["secret"] is not None


async def test_a_webhook_that_somebody_else_changed_is_not_deleted(client):
    tag = (await client.put(PATH, json=BODY)).headers["ETag"]
    now = (await client.put(PATH, json=BODY | {"active": False})).headers["ETag"]
    for held in (tag, f"W/{now}", '"x"'):
        answer = await client.delete(PATH, headers={"If-Match": held})
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition-failed")
    assert (await client.get(PATH)).headers["ETag"] == now
    assert (await client.delete(PATH, headers={"If-Match": now})).status_code == 204


async def test_deliveries_are_listed_with_the_latest_first(client, session):
    await client.put(PATH, json=BODY)
    for minutes in range(3):
        at = NOW + timedelta(minutes=minutes)
        period = (date(2026, 1, 1), date(2026, 3, 31))
        event = rules.edition_published(f"e{minutes}", "g", period, None, at)
        await webhooks.enqueue(session, at, event)
    attempt = {"at": NOW.isoformat(), "status": None, "error": "timeout", "milliseconds": 9999}
    await session.execute(update(Delivery).values(attempts=[attempt]))
    await session.commit()
    page = (await client.get(f"{PATH}/deliveries", params={"limit": 2})).json()
    assert [one["created_at"][14:16] for one in page["items"]] == ["02", "01"]
    assert page["items"][0]["attempts"][0] == attempt | {"at": "2026-06-15T17:00:00+07:00"}
    assert (page["items"][0]["event"], page["items"][0]["state"]) == (
        "edition.published",
        "waiting",
    )
    query = {"limit": 2, "cursor": page["next_cursor"]}
    rest = (await client.get(f"{PATH}/deliveries", params=query)).json()
    assert [one["created_at"][14:16] for one in rest["items"]] == ["00"]
    assert rest["next_cursor"] is None
    wrong = await client.get(f"{PATH}/deliveries", params={"cursor": str(uuid4())})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, "bad-cursor")


async def test_what_was_given_up_is_sent_again_on_request_under_the_same_id(client, session):
    await client.put(PATH, json=BODY)
    await webhooks.enqueue(session, NOW - timedelta(days=9), EDITION)
    await session.execute(update(Delivery).values(state="given_up", next_at=None, tries=15))
    await session.commit()
    answer = await client.post(f"{PATH}/deliveries/{EDITION.id}/redeliver")
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    assert answer.json()["id"] == str(EDITION.id)
    assert answer.json()["next_attempt_at"] == "2026-06-15T17:00:00+07:00"
    row = (await session.execute(text("SELECT tries, begun_at FROM webhook_delivery"))).one()
    assert tuple(row) == (0, NOW)
    unknown = await client.post(f"{PATH}/deliveries/{uuid4()}/redeliver")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "delivery-not-found")


async def test_what_waits_while_a_webhook_rests_is_said_to_be_sent_afterwards(client, session):
    await client.put(PATH, json=BODY)
    await webhooks.enqueue(session, NOW, EDITION)
    failing = {"failing_since": NOW, "failures": 9, "retry_at": NOW + timedelta(hours=8)}
    await session.execute(update(Webhook).values(**failing))
    await session.commit()
    (shown,) = (await client.get(f"{PATH}/deliveries")).json()["items"]
    assert shown["next_attempt_at"] == "2026-06-16T01:00:00+07:00"
    again = await client.post(f"{PATH}/deliveries/{EDITION.id}/redeliver")
    assert again.json()["next_attempt_at"] == "2026-06-15T17:00:00+07:00"


async def test_what_is_being_sent_is_not_sent_twice_at_once(client, session):
    await client.put(PATH, json=BODY)
    await webhooks.enqueue(session, NOW, EDITION)
    until = NOW + timedelta(seconds=30)
    await session.execute(update(Delivery).values(state="sending", next_at=until))
    await session.commit()
    answer = (await client.post(f"{PATH}/deliveries/{EDITION.id}/redeliver")).json()
    assert (answer["state"], answer["next_attempt_at"]) == ("sending", None)


OVERDUE = {
    agency: rules.dossier_overdue(agency, "000.00.01.H00-260601-00001", NOW)
    for agency in ("A1", "A2")
}
LOW = rules.rating_low("A1", uuid4(), "s1", date(2026, 6, 15))
IMPORTED = rules.operation_finished(uuid4(), NOW, COUNTS, frozenset({"A1", "A2"}))
PROVINCES = rules.operation_finished(uuid4(), NOW, COUNTS, None)


async def left(session):
    return set(await session.scalars(text("SELECT id FROM webhook_delivery")))


async def test_what_a_webhook_does_not_want_any_more_cannot_be_sent_to_where_it_leads_then(
    make, client, session
):
    await make.agency("A1")
    for name, state in (("w1", "delivered"), ("w2", "waiting")):
        path = f"/v1/webhooks/{name}"
        events = ["dossier.overdue", "edition.published", "rating.low"]
        await client.put(path, json=BODY | {"events": events, "agencies": ["A1"]})
        await webhooks.enqueue(session, NOW, EDITION, OVERDUE["A1"], LOW)
        due = None if state == "delivered" else NOW
        await session.execute(update(Delivery).values(state=state, next_at=due))
        await session.commit()
        spy = await make.caller("webhooks:read", "webhooks:write", agencies={"A1"})
        body = BODY | {"url": "https://spy.example.vn/", "agencies": ["A1"]}
        assert (await spy.put(path, json=body | {"events": events})).status_code == 403
        assert (await spy.put(path, json=body)).status_code == 200
        for dropped in (OVERDUE["A1"], LOW):
            answer = await spy.post(f"{path}/deliveries/{dropped.id}/redeliver")
            assert (answer.status_code, answer.json()["code"]) == (404, "delivery-not-found")
        (shown,) = (await spy.get(f"{path}/deliveries")).json()["items"]
        assert shown["id"] == str(EDITION.id)
        await client.delete(path)


async def test_a_webhook_that_is_narrowed_keeps_only_what_its_agencies_may_be_told(
    make, client, session
):
    for code in ("A1", "A2", "A3"):
        await make.agency(code)
    wide = BODY | {"events": list(rules.WebhookEvent)}
    await client.put(PATH, json=wide)
    happened = [EDITION, *OVERDUE.values(), LOW, IMPORTED, PROVINCES]
    await webhooks.enqueue(session, NOW, *happened)
    await client.put(PATH, json=wide | {"url": "https://other.example.vn/"})
    assert await left(session) == {event.id for event in happened}
    await client.put(PATH, json=wide | {"agencies": ["A1", "A2", "A3"]})
    assert await left(session) == {event.id for event in happened} - {PROVINCES.id}
    await client.put(PATH, json=wide | {"agencies": ["A1"]})
    assert await left(session) == {EDITION.id, OVERDUE["A1"].id, LOW.id}
    own = await make.caller(agencies={"A1"})
    answer = await own.post(f"{PATH}/deliveries/{OVERDUE['A2'].id}/redeliver")
    assert (answer.status_code, answer.json()["code"]) == (404, "delivery-not-found")


async def test_an_event_is_sent_again_for_a_key_that_may_read_what_it_tells(make, client, session):
    await make.agency()
    await client.put(PATH, json=BODY | {"events": list(rules.WebhookEvent)})
    await webhooks.enqueue(session, NOW, EDITION, OVERDUE["A1"], LOW)
    await session.commit()
    reader = await make.caller("webhooks:write", "dossiers:read")
    said = {
        event.type: (await reader.post(f"{PATH}/deliveries/{event.id}/redeliver")).status_code
        for event in (EDITION, OVERDUE["A1"], LOW)
    }
    assert said == {"edition.published": 202, "dossier.overdue": 202, "rating.low": 403}


async def test_keys_of_one_name_lead_so_many_webhooks_to_receivers_and_no_more(make, client):
    for number in range(rules.MOST_WEBHOOKS):
        made = await client.put(f"/v1/webhooks/n{number}", json=BODY)
        assert made.status_code == 201
    answer = await client.put(PATH, json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-webhooks")
    changed = await client.put("/v1/webhooks/n0", json=BODY | {"url": "https://example.vn/"})
    assert changed.status_code == 200
    other = make.with_key(await make.key(name="other"))
    assert (await other.put(PATH, json=BODY)).status_code == 201
    assert (await client.put(PATH, json=BODY | {"active": False})).status_code == 200
    answer = await client.put(PATH, json=BODY | {"url": "https://example.vn/"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-webhooks")
    await client.delete("/v1/webhooks/n0")
    assert (await client.put("/v1/webhooks/n1x", json=BODY)).status_code == 201


async def test_an_import_of_a_key_of_no_agency_is_nobodys_business(make, client, session):
    await make.agency()
    body = BODY | {"events": ["operation.finished"]}
    await client.put(PATH, json=body | {"agencies": ["A1"]})
    event = rules.operation_finished(uuid4(), NOW, COUNTS, frozenset())
    await webhooks.enqueue(session, NOW, event)
    assert await told(session) == []


async def test_a_paused_webhook_is_told_nothing_until_it_is_made_active_again(client, session):
    await client.put(PATH, json=BODY)
    await webhooks.enqueue(session, NOW, EDITION)
    paused = {"active": False, "failing_since": NOW, "paused_at": NOW, "pause_reason": "failing"}
    await session.execute(update(Webhook).values(**paused))
    await session.commit()
    shown = (await client.get(PATH)).json()
    assert (shown["active"], shown["pause_reason"]) == (False, "failing")
    answer = await client.post(f"{PATH}/deliveries/{EDITION.id}/redeliver")
    assert (answer.status_code, answer.json()["code"]) == (409, "webhook-inactive")
    kept = (await client.put(PATH, json=BODY | {"active": False})).json()
    assert kept["pause_reason"] == "failing"
    again = (await client.put(PATH, json=BODY)).json()
    assert (again["active"], again["failing_since"], again["pause_reason"]) == (True, None, None)


async def publish(make, client):
    for code in ("A1", "A2"):
        await make.agency(code)
    await make.survey("s1", "A1", "A2")
    await make.peer_group("g", "A1", "A2")
    body = {
        "code": "e1",
        "title": {"vi": "Quý I"},
        "peer_group": "g",
        "period": "2026-Q1",
        "surveys": ["s1"],
    }
    counts = {"q1": {"5": 6}, "q2": {"4": 6}}
    assert (await make.sheet(counts, 6, period="2026-02")).status_code == 201
    assert (await client.post("/v1/editions", json=body)).status_code == 201
    assert (await client.post("/v1/editions/e1/publish")).status_code == 200


async def test_an_edition_is_told_once_it_is_published_and_not_before(make, client, session):
    await client.put(PATH, json=BODY)
    await make.agency()
    own = await make.caller(agencies={"A1"})
    await own.put("/v1/webhooks/w2", json=BODY | {"agencies": ["A1"]})
    await publish(make, client)
    await client.post("/v1/editions/e1/publish")
    assert await told(session) == await told(session, "w2") == ["edition.published"]
    assert '"edition": "e1"' in (await bodies(session))[0]


async def test_events_go_to_active_webhooks_that_want_them_and_cover_the_agency(
    make, client, session
):
    for code in ("A1", "A2"):
        await make.agency(code)
    overdue = BODY | {"events": ["dossier.overdue"]}
    for name, body in {
        "all": overdue,
        "own": overdue | {"agencies": ["A1"]},
        "both": overdue | {"agencies": ["A1", "A2"]},
        "another": overdue | {"agencies": ["A2"]},
        "other-event": BODY,
        "stopped": overdue | {"active": False},
    }.items():
        await client.put(f"/v1/webhooks/{name}", json=body)
    event = rules.dossier_overdue("A1", "000.00.01.H00-260601-00001", NOW)
    await webhooks.enqueue(session, NOW, event)
    await webhooks.enqueue(session, NOW, event)
    stmt = text("SELECT webhook FROM webhook_delivery ORDER BY webhook")
    assert list(await session.scalars(stmt)) == ["all", "both", "own"]


async def test_what_concerns_the_whole_province_is_for_webhooks_without_a_limit(
    make, client, session
):
    await make.agency()
    body = BODY | {"events": ["operation.finished"]}
    await client.put(PATH, json=body)
    await client.put("/v1/webhooks/w2", json=body | {"agencies": ["A1"]})
    for agencies in (None, frozenset({"A1"})):
        event = rules.operation_finished(uuid4(), NOW, {"kind": "ratings"}, agencies)
        await webhooks.enqueue(session, NOW, event)
    assert (len(await told(session)), len(await told(session, "w2"))) == (2, 1)


async def test_a_low_rating_is_told_once_without_its_comment_or_dossier(make, client, session):
    await make.agency()
    await make.survey()
    await client.put(PATH, json=BODY | {"events": ["rating.low"]})
    await make.put("/v1/agencies/A1", {**AGENCY})
    dossier = await make.dossier()
    low = await make.rate({"q1": "2", "q2": "5"}, dossier=dossier, comment="Chờ lâu quá")
    for answers in ({"q1": "3", "q2": "na"}, {"q1": "5", "q2": "4"}):
        await make.rate(answers)
    assert await occurrences.tell_low_ratings(session, NOW) == 1
    assert await occurrences.tell_low_ratings(session, NOW) == 0
    (body,) = await bodies(session)
    assert low.json()["id"] in body
    assert "Chờ" not in body
    assert dossier not in body


async def given(make, days, answers):
    """A rating that was given so many days ago, and comes in now."""
    at = (NOW - timedelta(days=days, hours=-1)).isoformat()
    dossier = await make.dossier(returned=False)
    path = f"/v1/agencies/A1/dossiers/{dossier}/events"
    returned = await make.admin.post(path, json={"type": "result_returned", "at": at})
    assert returned.status_code == 201, returned.text
    answer = await make.rate(answers, dossier=dossier, rated_at=at)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def test_of_history_that_comes_in_only_the_last_three_days_are_told(make, client, session):
    await make.agency()
    await make.survey()
    await client.put(PATH, json=BODY | {"events": ["rating.low"]})
    recent, *_ = [await given(make, days, {"q1": "1"}) for days in (3, 4, 10)]
    assert await occurrences.tell_low_ratings(session, NOW) == 1
    (body,) = await bodies(session)
    assert recent in body


async def test_more_low_ratings_than_are_enqueued_together_are_all_told(
    make, client, session, monkeypatch
):
    monkeypatch.setattr(occurrences, "MOST_TOGETHER", 2)
    await make.agency()
    await make.survey()
    await client.put(PATH, json=BODY | {"events": ["rating.low"]})
    for _ in range(5):
        await make.rate({"q1": "1"})
    assert await occurrences.tell_low_ratings(session, NOW) == 5
    assert len(await told(session)) == 5


async def test_every_event_says_where_to_read_more(make, client, session):
    await client.put(PATH, json=BODY | {"events": list(rules.WebhookEvent)})
    await publish(make, client)
    await make.rate({"q1": "1"})
    await occurrences.tell_low_ratings(session, NOW)
    await make.dossier(returned=False)
    await occurrences.tell_overdue(session, NOW + timedelta(days=6))
    typed = {"Content-Type": "application/x-ndjson"}
    sent = await client.post("/v1/imports/dossiers", content="{}", headers=typed)
    ended = rules.operation_finished(UUID(sent.json()["id"]), NOW, COUNTS, None)
    await webhooks.enqueue(session, NOW, ended)
    said = [json.loads(body) for body in await bodies(session)]
    assert sorted(one["type"] for one in said) == sorted(rules.WebhookEvent)
    for one in said:
        assert (await client.get(one["subject"])).status_code == 200, one["subject"]


AGENCY = {"name": {"vi": "Sở Mẫu"}, "kind": "department", "valid_from": "2010-01-01"}


async def test_a_voided_rating_and_one_before_the_webhook_are_not_told(make, client, session):
    await make.agency()
    await make.survey()
    low = await make.rate({"q1": "1"})
    await client.put(PATH, json=BODY | {"events": ["rating.low"]})
    reason = {"reason": "Nhập nhầm"}
    await client.post(f"/v1/agencies/A1/ratings/{low.json()['id']}/void", json=reason)
    assert await occurrences.tell_low_ratings(session, NOW) == 0
    await make.rate({"q1": "1"})
    await session.execute(update(Webhook).values(created_at=NOW + timedelta(seconds=1)))
    assert await occurrences.tell_low_ratings(session, NOW) == 0
    assert await told(session) == []


async def test_low_ratings_of_other_agencies_are_nobodys_business(make, client, session):
    for code in ("A1", "A2"):
        await make.agency(code)
    await make.survey("s1", "A1", "A2")
    await client.put(PATH, json=BODY | {"events": ["rating.low"], "agencies": ["A2"]})
    await make.rate({"q1": "1"}, agency="A1")
    assert await occurrences.tell_low_ratings(session, NOW) == 0
    await make.rate({"q1": "1"}, agency="A2")
    assert await occurrences.tell_low_ratings(session, NOW) == 1


async def test_a_dossier_is_told_once_for_each_appointment_that_passes(make, client, session):
    await make.agency()
    await client.put(PATH, json=BODY | {"events": ["dossier.overdue"]})
    dossier = await make.dossier(returned=False)
    await make.dossier(returned=True)
    path = f"/v1/agencies/A1/dossiers/{dossier}"
    for days, found in ((0, 0), (6, 1), (7, 0)):
        assert await occurrences.tell_overdue(session, NOW + timedelta(days=days)) == found
    receipt = {
        "procedure": "1.000001",
        "channel": "desk",
        "received_at": "2026-06-01T08:00:00+07:00",
        "due_at": "2026-06-22T17:00:00+07:00",
    }
    assert (await client.put(path, json=receipt)).status_code == 200
    assert await occurrences.tell_overdue(session, NOW + timedelta(days=7)) == 0
    assert await occurrences.tell_overdue(session, NOW + timedelta(days=8)) == 1
    due = [f'"due_at": "2026-06-{day}T17:00:00+07:00"' for day in (20, 22)]
    assert all(part in body for part, body in zip(due, sorted(await bodies(session)), strict=True))


async def test_a_dossier_that_waits_for_papers_or_has_ended_is_not_told(make, client, session):
    await make.agency()
    waiting, ended = [await make.dossier(returned=False) for _ in range(2)]
    at = "2026-06-01T09:00:00+07:00"
    for dossier, kind in ((waiting, "supplement_requested"), (ended, "withdrawn")):
        path = f"/v1/agencies/A1/dossiers/{dossier}/events"
        assert (await client.post(path, json={"type": kind, "at": at})).status_code == 201
    assert await occurrences.tell_overdue(session, NOW + timedelta(days=9)) == 0


async def test_who_subscribes_later_is_not_told_of_what_was_overdue_before(make, client, session):
    await make.agency()
    await make.dossier(returned=False)
    assert await occurrences.tell_overdue(session, NOW + timedelta(days=6)) == 1
    await client.put(PATH, json=BODY | {"events": ["dossier.overdue"]})
    assert await occurrences.tell_overdue(session, NOW + timedelta(days=7)) == 0
    assert await told(session) == []


async def test_notes_of_overdue_dossiers_are_kept_while_they_matter(make, client, session):
    await make.agency()
    going_on, ended, moved = [await make.dossier(returned=False) for _ in range(3)]
    assert await occurrences.tell_overdue(session, NOW + timedelta(days=6)) == 3
    stmt = "UPDATE dossier SET ended_at = :at, status = 7 WHERE code = :code"
    await session.execute(text(stmt), {"at": NOW, "code": ended})
    stmt = "UPDATE dossier SET due_at = :at WHERE code = :code"
    await session.execute(text(stmt), {"at": NOW + timedelta(days=99), "code": moved})
    noted = text("SELECT dossier FROM overdue_dossier ORDER BY dossier")
    for days, left in ((35, [going_on, ended, moved]), (37, [going_on])):
        await occurrences.forget(session, NOW + timedelta(days=days))
        assert list(await session.scalars(noted)) == left
