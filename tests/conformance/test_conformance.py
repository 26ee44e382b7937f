"""The conformance kit tries a real service, and finds out every lie that it is told."""

import json
import re
import signal
import subprocess
import sys
from subprocess import CompletedProcess

import httpx
import pytest
from cli.processes import (
    ADMIN_KEY,
    PATIENCE,
    ROOT,
    background,
    free_port,
    run,
    together,
    wait_until,
)
from conformance.lies import LIES, instead
from conformance.wrong import Answer, Request, wrong

from hailong_conformance import __main__ as kit
from hailong_conformance import files, protocol, ratings, reading, refusals, webhooks
from hailong_conformance.receiver import Receiver
from hailong_conformance.refusals import invitation_expired
from hailong_conformance.scene import PREFIX, PROBES
from hailong_conformance.server import Server
from hailong_conformance.trial import Check, Outcome

MODULES = (protocol, reading, ratings, refusals, files)


def tries(address: str, *options: str, key: str = ADMIN_KEY) -> CompletedProcess[str]:
    """What the kit says of a server, run as integrators run it."""
    return subprocess.run(
        [sys.executable, "-m", "hailong_conformance", address, key, *options],
        cwd=ROOT,
        env={"COLUMNS": "160", "PATH": "", "NO_PROXY": "*"},
        capture_output=True,
        encoding="utf-8",
        timeout=3 * PATIENCE,
        check=False,
    )


def about(names: set[str]) -> list[Check]:
    """All checks beside those named, but for the one that waits for seconds."""
    found = [getattr(module, "LAST", ()) + module.CHECKS for module in MODULES]
    beside = [checks for checks in found if names & {one.name for one in checks}]
    return [one for checks in beside for one in checks if one is not invitation_expired]


def broken(address: str, checks, receiver: Receiver | None = None) -> set[str]:
    """The names of the checks that a server fails."""
    with Server(address, ADMIN_KEY) as server:
        results = kit.run(checks, kit.prepared(server, yes=True), receiver)
    return {one.check.name for one in results if one.outcome is Outcome.FAILED}


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def address_of(service) -> str:
    return f"http://127.0.0.1:{service.port}"


def test_the_service_keeps_everything_even_when_it_is_tried_twice_at_once(service):
    address = address_of(service)
    first, second = together(
        lambda: tries(address, "--json", "--webhook-receiver", "127.0.0.1:0"),
        lambda: tries(address),
    )
    assert first.returncode == 0, first.stdout
    said = json.loads(first.stdout)
    assert {one["outcome"] for one in said["checks"]} == {"passed"}
    assert [one["name"] for one in said["checks"]] == [one.name for one in kit.CHECKS]
    assert all(one["steps"] and one["sentence"].endswith(".") for one in said["checks"])
    assert second.returncode == 0, second.stdout
    assert f"{len(kit.CHECKS) - 3} passed, 3 skipped." in second.stdout
    assert "no receiver: --webhook-receiver HOST:PORT" in second.stdout
    assert re.search(rf"Left behind: .*{PREFIX}[0-9a-f]{{8}}", second.stdout)


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_out_by_the_checks_of_what_it_is_about(service, lie):
    make, checks = LIES[lie]
    tried = about(checks)
    assert {one.name for one in tried} > checks
    with wrong(address_of(service), make()) as address:
        assert broken(address, tried) == checks


def test_an_expired_invitation_that_is_taken_is_found_out(service):
    with wrong(address_of(service), instead("invitation-expired", 201)) as address:
        assert broken(address, [invitation_expired]) == {"invitation-expired"}


def test_a_wrong_secret_is_found_out(service):
    def lie(asked: Request):
        def tell(answer: Answer) -> None:
            answer.body = re.sub(rb"whsec_.{4}", b"whsec_AAAA", answer.body)

        return tell if "/webhooks/" in asked.path else None

    checks = [webhooks.webhook_signature, webhooks.webhook_redirect]
    with wrong(address_of(service), lie) as address, Receiver("127.0.0.1", 0) as receiver:
        assert broken(address, checks, receiver) == {"webhook-signature"}


def test_a_redirection_that_is_followed_is_found_out(service):
    with Receiver("127.0.0.1", 0) as receiver:

        def lie(asked: Request):
            if asked.path.endswith("-redirect/deliveries"):
                httpx.post(f"{receiver.url}/redirected/", trust_env=False)

        with wrong(address_of(service), lie) as address:
            assert broken(address, [webhooks.webhook_redirect], receiver) == {"webhook-redirect"}


def test_what_a_server_does_not_offer_is_listed_and_no_failure(service):
    def lie(asked: Request):
        if "/imports/" in asked.path or "/exports/" in asked.path:
            asked.path = "/v1/nothing"

    with wrong(address_of(service), lie) as address:
        names = [one.name for one in files.CHECKS]
        said = tries(address, "--json", "--only", *names)
    assert said.returncode == 0
    outcomes = [one["outcome"] for one in json.loads(said.stdout)["checks"]]
    assert outcomes == ["not offered"] * len(names)


def test_what_failed_is_told_with_what_was_asked_expected_and_seen(service):
    with wrong(address_of(service), instead("already-rated", 200)) as address:
        said = tries(address, "--only", "rated-once")
    assert said.returncode == 1
    told = [line.split(maxsplit=1) for line in said.stdout.splitlines() if line.startswith("  ")]
    assert told == [
        ["asked", "POST /v1/ratings"],
        ["expected", "409 already-rated"],
        ["seen", "200"],
    ]


def test_a_server_that_has_agencies_of_its_own_is_tried_only_if_that_is_said(service):
    def lie(asked: Request):
        def tell(answer: Answer) -> None:
            body = json.loads(answer.body)
            answer.body = json.dumps(body | {"items": [{"code": "H32"}]}).encode()

        return tell if asked.path == "/v1/agencies" else None

    with wrong(address_of(service), lie) as address:
        refused = tries(address, "--only", "head")
        agreed = tries(address, "--only", "head", "--yes")
    assert (refused.returncode, agreed.returncode) == (2, 0)
    assert "--yes" in refused.stdout


def test_a_key_that_may_not_do_what_is_tried_is_told_what_it_lacks(service):
    some = [scope for scope in PROBES if not scope.startswith("webhooks")]
    named = [option for scope in some for option in ("--scope", scope)]
    key = run(service.data, "keys", "create", "some", *named).stdout.strip()
    said = tries(address_of(service), key=key)
    assert said.returncode == 2
    assert said.stdout.strip() == "The key lacks the scopes webhooks:read, webhooks:write."


def test_an_unknown_key_and_a_server_that_is_none_are_told_in_a_line(service):
    unknown = tries(address_of(service), key="hl_nobody")
    assert unknown.returncode == 2
    assert unknown.stdout.strip() == "The server does not know the key (credential-unknown)."
    nobody = tries("http://127.0.0.1:9", "--only", "head")
    assert nobody.returncode == 2
    assert len(nobody.stdout.strip().splitlines()) == 1


@pytest.mark.parametrize("ended", [signal.SIGTERM, signal.SIGINT])
def test_who_ends_it_leaves_no_webhook_behind(service, ended):
    def listening():
        found = [hook["id"] for hook in service.get("/v1/webhooks?limit=500").json()["items"]]
        return any(code.startswith(PREFIX) for code in found)

    command = [sys.executable, "-m", "hailong_conformance", address_of(service), ADMIN_KEY]
    chosen = ["--yes", "--only", "webhook-retry", "--webhook-receiver", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, *chosen],
        cwd=ROOT,
        env={"PATH": "", "NO_PROXY": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as kit_itself:
        wait_until(listening, "it does not subscribe")
        kit_itself.send_signal(ended)
        _, complaint = kit_itself.communicate(timeout=PATIENCE)
    assert (kit_itself.returncode, complaint) == (130, b"")
    assert not listening()


def test_a_server_with_a_quota_and_for_public_receivers_only_is_tried_as_such(service):
    named = [option for scope in PROBES for option in ("--scope", scope)]
    key = run(service.data, "keys", "create", "hasty", *named).stdout.strip()
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    only = ("--only", "rate-limits", "webhook-redirect", "--webhook-receiver", "127.0.0.1:0")
    with background(service.data, "serve", port=port, rate_limit_per_minute=60):
        # Without a key: the one of the tests has used more already.
        wait_until(lambda: answers(address), "the service does not answer")
        said = tries(address, "--json", *only, key=key)
    assert said.returncode == 0, said.stdout
    redirect, limits = json.loads(said.stdout)["checks"]
    assert redirect["outcome"] == "skipped"
    assert "webhook-url-" in redirect["reason"]
    assert limits["outcome"] == "passed"
    assert "429 too-many-requests" in {step["seen"] for step in limits["steps"]}


def test_the_page_lists_the_checks_and_the_scopes():
    page = (ROOT / "docs" / "conformance.md").read_text("utf-8")
    listed = re.findall(r"^\| `(.+)` \| (.+) \|$", page, re.MULTILINE)
    assert listed == [(one.name, one.sentence) for one in kit.CHECKS]
    assert set(re.findall(r"`(\w+:\w+)`", page)) == set(PROBES)
