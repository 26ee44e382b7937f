"""`hailong serve`: real processes, spoken to over HTTP, killed and interrupted."""

import json
import re
import signal
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
from cli.processes import (
    ADMIN_KEY,
    PATIENCE,
    Service,
    end_server,
    is_gone,
    query,
    server_runs,
    serving,
    wait_until,
)

from app.db.embedded import EmbeddedServer
from app.domain.access import SCOPES

LIVE = {"agency": "H00.01", "survey": "tthc", "first": "2026-01-01", "last": "2099-12-31"}
ANSWERS = {f"q{number}": "5" for number in range(1, 9)}


def return_dossier(service: Service, code: str) -> str:
    """The path of a new dossier whose result was returned."""
    now, path = datetime.now(UTC), f"/v1/agencies/H00.01/dossiers/{code}"
    receipt = {
        "procedure": "1.000001",
        "channel": "desk",
        "received_at": (now - timedelta(days=3)).isoformat(),
        "due_at": (now + timedelta(days=2)).isoformat(),
    }
    assert service.put(path, receipt).status_code == 201
    event = {"type": "result_returned", "at": now.isoformat()}
    assert service.post(f"{path}/events", event).status_code == 201
    return path


def rate(service: Service, dossier: str) -> httpx.Response:
    rating = {"agency": "H00.01", "survey": "tthc", "dossier": dossier, "channel": "tablet"}
    return service.post("/v1/ratings", {**rating, "answers": ANSWERS})


def forms(service: Service) -> int:
    answer = service.get("/v1/indices", **LIVE)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["figures"][0]["n"])


def logs_all(service: Service, request_ids: Iterable[str]) -> bool:
    said = service.said()
    return said.endswith("\n") and all(f'"{one}"' in said for one in request_ids)


def two_workers(service: Service) -> list[psutil.Process]:
    found: list[psutil.Process] = []

    def are_there() -> bool:
        children = psutil.Process(service.process.pid).children()
        found[:] = [one for one in children if any("spawn_main" in word for word in one.cmdline())]
        return len(found) == 2

    wait_until(are_there, "there are no two workers")
    return found


def test_a_service_says_that_it_lives_and_is_ready(service: Service) -> None:
    for path in ("/healthz", "/readyz"):
        answer = httpx.get(f"{service.client.base_url}{path}", trust_env=False)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_the_documentation_and_all_it_loads_come_from_the_service(service: Service) -> None:
    page = service.client.get("/docs")
    assert page.status_code == 200
    assert not re.search(r"(?:https?:)?//[\w.-]+\.\w", page.text)
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(loaded) >= 2
    for path in [*loaded, "/openapi.json"]:
        assert path.startswith("/")
        assert service.client.get(path).status_code == 200


def test_the_admin_key_carries_every_scope(service: Service) -> None:
    with EmbeddedServer(service.data) as server:
        scopes = query(server.start(), "SELECT scopes FROM api_key WHERE name = 'admin'")
    assert set(scopes) == SCOPES
    assert service.get("/v1/agencies", ADMIN_KEY).status_code == 200
    assert service.get("/v1/agencies", ADMIN_KEY + "?").status_code == 401


def test_a_rating_outlives_a_killed_service_and_sigterm_ends_the_next_in_order(data: Path) -> None:
    dossier = "000.00.01.H00-260601-70001"
    with serving(data) as first:
        before = forms(first)
        return_dossier(first, dossier)
        assert rate(first, dossier).status_code == 201
        assert first.send(signal.SIGKILL) == -signal.SIGKILL
    assert server_runs(data)
    with serving(data) as second:
        assert forms(second) == before + 1
        assert rate(second, dossier).json()["code"] == "already-rated"
        assert second.send(signal.SIGTERM) in {0, 143, -signal.SIGTERM}
        assert "Traceback" not in second.said()
    assert not server_runs(data)


def test_ctrl_c_ends_a_service_and_its_database_and_no_other(service: Service, data: Path) -> None:
    before = EmbeddedServer(service.data).postmaster_pid()
    with serving(data) as other:
        assert EmbeddedServer(data).postmaster_pid() not in {None, before}
        assert other.send(signal.SIGINT) in {0, 130}
        assert "Traceback" not in other.said()
    assert not server_runs(data)
    assert EmbeddedServer(service.data).postmaster_pid() == before
    assert service.is_ready()


def test_serving_processes_share_one_database_and_end_with_the_one_that_started_them(
    data: Path,
) -> None:
    with serving(data, workers=2) as service:
        workers = two_workers(service)
        before = EmbeddedServer(data).postmaster_pid()
        for other in workers:
            other.suspend()
            address = f"{service.client.base_url}/readyz"  # Over a connection of its own.
            answer = httpx.get(address, trust_env=False, timeout=PATIENCE)
            other.resume()
            assert answer.status_code == 200
        assert EmbeddedServer(data).postmaster_pid() == before
        service.process.kill()
        service.process.wait(PATIENCE)
        wait_until(lambda: all(is_gone(worker.pid) for worker in workers), "workers stay")
        wait_until(lambda: not server_runs(data), "the database stays")


def test_every_request_is_logged_as_json_by_its_route_and_id_and_without_its_dossier(
    service: Service,
) -> None:
    code = "000.00.01.H00-260601-70003"
    path = return_dossier(service, code)
    assert rate(service, code).status_code == 201
    assert rate(service, code).status_code == 409
    sent = {
        "of-a-found-dossier": path,
        "of-a-missing-dossier": path.replace("H00.01", "H00"),
        "of-no-route": f"/nowhere/{code}",
        "of-a-query": f"/v1/indices?agency={code}",
    }
    for request_id, target in sent.items():
        answer = service.client.get(target, headers={"X-Request-Id": request_id})
        assert answer.headers["X-Request-Id"] == request_id
    # A line is written after its answer, in two parts.
    wait_until(lambda: logs_all(service, sent), "a request is not logged")
    lines = [json.loads(line) for line in service.said().splitlines()]
    logged = {line["request_id"]: line for line in lines if "request_id" in line}
    assert {name: (logged[name]["route"], logged[name]["status"]) for name in sent} == {
        "of-a-found-dossier": ("/v1/agencies/{agency}/dossiers/{dossier}", 200),
        "of-a-missing-dossier": ("/v1/agencies/{agency}/dossiers/{dossier}", 404),
        "of-no-route": (None, 404),
        "of-a-query": ("/v1/indices", 422),
    }
    assert code not in service.said()
    assert code not in (service.data / "pg" / "server.log").read_text()


def test_a_lost_database_is_told_of_and_comes_back_without_anyones_help(data: Path) -> None:
    with serving(data) as service:
        dossier = "000.00.01.H00-260601-70004"
        before = forms(service)
        return_dossier(service, dossier)
        assert rate(service, dossier).status_code == 201
        lost = EmbeddedServer(data).postmaster_pid()
        end_server(data, signal.SIGKILL)
        answers: list[httpx.Response] = []

        def is_back() -> bool:
            answers.append(service.get("/readyz"))
            new = EmbeddedServer(data).postmaster_pid()
            return answers[-1].status_code == 200 and new not in {None, lost}

        wait_until(is_back, "the database stays lost")
        for answer in answers:
            if answer.status_code != 200:
                assert answer.status_code == 503
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.headers["Retry-After"].isdecimal()
                assert answer.json()["code"] == "database-unavailable"
        assert forms(service) == before + 1
        assert rate(service, dossier).json()["code"] == "already-rated"
        assert service.send(signal.SIGINT) in {0, 130}
    assert not server_runs(data)
