"""`hailong worker` sends webhooks to a receiver in another process, and dies in the middle."""

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cli.processes import Service, background, query, run, serving, wait_until
from receiver import receiving
from standardwebhooks import Webhook

from app.db.embedded import EmbeddedServer

DOSSIER = "000.00.15.H32-260601-00001"


def overdue() -> dict[str, str]:
    """A receipt with an appointment that has passed."""
    now = datetime.now(UTC)
    return {
        "procedure": "1.010708",
        "channel": "desk",
        "received_at": (now - timedelta(days=9)).isoformat(timespec="seconds"),
        "due_at": (now - timedelta(days=1)).isoformat(timespec="seconds"),
    }


def test_a_worker_killed_while_it_sends_leaves_the_event_to_the_next(
    data: Path, tmp_path: Path
) -> None:
    allowed = {"webhook_allow_private": True}
    with serving(data, **allowed) as service, receiving(tmp_path) as receiver:
        receiver.behave("hang")
        body = {"url": receiver.url("as-told"), "events": ["dossier.overdue"]}
        secret = service.put("/v1/webhooks/w1", body).json()["secret"]
        procedure = {"name": {"vi": "Thủ tục"}, "field": "Công Thương", "working_days": 5}
        service.put("/v1/procedures/1.010708", procedure | {"online": "full"})
        made = service.put(f"/v1/agencies/H32.15/dossiers/{DOSSIER}", overdue())
        assert made.status_code == 201, made.text
        with background(data, "worker", **allowed) as worker:
            wait_until(lambda: len(receiver.received) == 1, "nothing is sent")
            worker.send(signal.SIGKILL)
        receiver.behave("ok")
        # As when half a minute has passed since the one that was killed took it.
        with EmbeddedServer(data) as server:
            query(server.start(), "UPDATE webhook_delivery SET next_at = now()")
        with background(data, "worker", **allowed) as worker:
            sent = "/v1/webhooks/w1/deliveries"
            wait_until(
                lambda: service.get(sent).json()["items"][0]["state"] == "delivered",
                "nothing is sent again",
            )
            assert worker.send(signal.SIGTERM) == 0
    first, second = receiver.received
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    for got in (first, second):
        said = Webhook(secret).verify(got["body"], got["headers"])
        assert said["data"]["dossier"] == DOSSIER


def test_who_revokes_a_key_is_told_which_webhooks_go_on(service: Service) -> None:
    made = run(service.data, "keys", "create", "leaver", "--scope", "webhooks:write")
    held = {"headers": {"Authorization": f"Bearer {made.stdout.strip()}"}}
    body = {"url": "https://example.vn/", "events": ["edition.published"], "active": False}
    for name in ("left-2", "left-1"):
        put = service.client.put(f"/v1/webhooks/{name}", json=body, **held)
        assert put.status_code == 201, put.text
    listed = json.loads(run(service.data, "keys", "list", "--json").stdout)
    (number,) = [str(one["id"]) for one in listed if one["name"] == "leaver"]
    revoked = run(service.data, "keys", "revoke", number)
    assert revoked.stdout.splitlines() == [
        f"Key {number} is revoked.",
        "Webhooks that go on to where keys of its name led them: left-1, left-2",
    ]
    for name in ("left-1", "left-2"):
        assert service.client.delete(f"/v1/webhooks/{name}").status_code == 204
