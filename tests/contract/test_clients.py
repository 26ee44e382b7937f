"""Clients that others' generators make of the contract, on the journeys of integrators.

Generated anew in each run from what the service itself serves at /openapi.json, and not kept.
"""

import csv
import importlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from factories import ADMIN_KEY, BEARER

from app.cli.demo import EDITION
from app.domain.dossier import Status

ROOT = Path(__file__).parents[2]
NODE = ROOT / "node_modules" / ".bin"
AGENCY = "H00.01"


def made(*command, **options):
    """What a program says; it must say that all went well."""
    ran = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, timeout=120, **options
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def published(live):
    """The code of a published edition that ranks."""
    with httpx.Client(base_url=live, headers=BEARER) as client:
        client.post("/v1/editions", json=EDITION).raise_for_status()
        client.post(f"/v1/editions/{EDITION['code']}/publish").raise_for_status()
    return EDITION["code"]


@pytest.fixture(scope="module")
def contract(live, tmp_path_factory):
    path = tmp_path_factory.mktemp("contract") / "openapi.json"
    path.write_text(httpx.get(f"{live}/openapi.json").text, "utf-8")
    return path


@pytest.fixture(scope="module")
def generated(contract):
    """What openapi-python-client makes; it must understand the whole contract."""
    folder = contract.parent / "python"
    tools = Path(sys.executable).parent
    said = made(
        tools / "openapi-python-client",
        *("generate", "--path", contract, "--output-path", folder),
        *("--config", ROOT / "openapi" / "python-client.yaml", "--fail-on-warning"),
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"},
    )
    assert "WARNING" not in said
    sys.path.insert(0, str(folder))
    yield importlib.import_module("hailong_client")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "hailong_client"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def models(generated):
    return importlib.import_module("hailong_client.models")


@pytest.fixture
def portal(generated, live):
    with generated.AuthenticatedClient(base_url=live, token=ADMIN_KEY) as client:
        yield client


@pytest.fixture
def citizen(generated, live):
    with generated.Client(base_url=live, headers={"Accept": "application/json"}) as client:
        yield client


def operation(name, client, /, **asked):
    """An operation of the generated client, by its operationId."""
    folder = next(Path(sys.modules["hailong_client"].__file__).parent.glob(f"api/*/{name}.py"))
    module = importlib.import_module(f"hailong_client.api.{folder.parent.name}.{name}")
    return module.sync_detailed(client=client, **asked)


def returned(models, portal, number):
    """The invitation to rate a dossier that goes its whole way."""
    now = datetime.now(UTC)
    named = {"agency": AGENCY, "dossier": f"000.00.01.H00-{now:%y%m%d}-{number}"}
    receipt = models.DossierIn(
        procedure="1.000001",
        channel=models.DossierInChannel.DESK,
        counter="Q01",
        received_at=now,
        due_at=now + timedelta(days=1),
    )
    registered = operation("register_dossier", portal, **named, body=receipt)
    assert registered.status_code == HTTPStatus.CREATED
    assert registered.parsed.status == Status.RECEIVED
    accepted = models.EventIn(type_=models.EventType.ACCEPTED, at=now)
    assert operation("record_event", portal, **named, body=accepted).parsed.invitation is None
    event = models.EventIn(type_=models.EventType.RESULT_RETURNED, at=now)
    key = {"idempotency_key": f"{number}-returned"}
    first = operation("record_event", portal, **named, body=event, **key)
    again = operation("record_event", portal, **named, body=event, **key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.parsed == first.parsed
    assert first.parsed.dossier.on_time
    assert first.parsed.invitation.expires_at > now
    return first.parsed.invitation


def test_a_portal_takes_a_dossier_to_its_invitation_in_python(models, portal):
    assert returned(models, portal, 51001).url.startswith("/r/")


def test_a_moved_dossier_is_refused_with_a_problem_in_python(models, portal):
    event = models.EventIn(type_=models.EventType.CLOSED, at=datetime.now(UTC))
    named = {"agency": AGENCY, "dossier": "000.00.01.H00-260101-99999"}
    answer = operation("record_event", portal, **named, body=event)
    assert isinstance(answer.parsed, models.Problem)
    assert (answer.parsed.status, answer.parsed.code) == (404, "dossier-not-found")


def test_a_telephone_rates_once_in_python(models, portal, citizen):
    token = returned(models, portal, 51002).token
    page = operation("open_invitation", citizen, token=token).parsed
    questions = [one for part in page.questionnaire.criteria for one in part.questions]
    answers = {one.code: one.options[0].code for one in questions}
    rating = models.RatingIn(
        id=uuid4(),
        invitation=token,
        channel=models.RatingInChannel.MOBILE,
        answers=models.RatingInAnswers.from_dict(answers),
    )
    first = operation("submit_rating", citizen, body=rating)
    again = operation("submit_rating", citizen, body=rating)
    assert first.status_code == HTTPStatus.CREATED
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.parsed == first.parsed
    rating.id = uuid4()
    refused = operation("submit_rating", citizen, body=rating)
    assert refused.parsed.code == "invitation-used"


def test_a_tablet_sends_what_it_gathered_in_python(models, portal):
    token = returned(models, portal, 51003).token
    good = {"invitation": token, "channel": "tablet", "answers": {"q1": "5"}, "id": str(uuid4())}
    ratings = [models.RatingIn.from_dict(one) for one in (good, good | {"invitation": "A" * 32})]
    batch = models.BatchIn(ratings=ratings)
    for replayed in (False, True):
        answer = operation("submit_ratings", portal, body=batch)
        stored, refused = answer.parsed.outcomes
        assert (stored.status, stored.replayed) == (201, replayed)
        assert (refused.status, refused.problem.code) == (404, "invitation-not-found")


def test_a_file_is_taken_in_in_python(generated, models, portal):
    types = importlib.import_module("hailong_client.types")
    rows = types.File(payload=b'{"agency": "H00.01"}\n')
    answer = operation("import_rows", portal, kind=models.Kind.DOSSIERS, body=rows)
    assert answer.parsed.state is models.OperationOutState.QUEUED
    shown = operation("get_operation", portal, operation=answer.parsed.id).parsed
    assert shown.id == answer.parsed.id
    exported = operation("export_dossiers", portal, agency=AGENCY)
    lines = exported.parsed.payload.read().splitlines()
    assert {json.loads(line)["agency"] for line in lines} <= {AGENCY}


def test_a_reader_follows_the_ranking_in_python(models, citizen, published):
    listed = operation("list_editions", citizen).parsed
    assert published in {one.code for one in listed.items}
    document = operation("get_edition", citizen, edition=published).parsed
    named = {"edition": published, "criterion": "overall"}
    ranking = operation("get_published_ranking", citizen, **named)
    ranked = [row.agency.code for row in ranking.parsed.rows]
    assert len(ranked) > 1
    assert {part.agency for part in document.agencies} >= set(ranked)
    held = ranking.headers["ETag"]
    unchanged = operation("get_published_ranking", citizen, **named, if_none_match=held)
    assert (unchanged.status_code, unchanged.parsed) == (HTTPStatus.NOT_MODIFIED, None)
    shown = operation("get_published_indices", citizen, edition=published, agency=ranked[0])
    overall = next(one for one in shown.parsed.figures if one.level is models.Level.OVERALL)
    assert overall.value == ranking.parsed.rows[0].value
    package = operation("get_data_package", citizen, edition=published).parsed
    assert package.payload.read(2) == b"PK"
    plain = citizen.get_httpx_client()
    path = f"/v1/editions/{published}/rankings/overall"
    table = plain.get(path, headers={"Accept": "text/csv"}).text
    assert [row["agency"] for row in csv.DictReader(table.lstrip("\ufeff").splitlines())] == ranked


def test_all_journeys_in_typescript(live, contract, published):
    folder = contract.parent / "typescript"
    folder.mkdir()
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "journeys.ts").symlink_to(ROOT / "tests" / "contract" / "journeys.ts")
    made(
        NODE / "openapi-typescript",
        contract,
        "--default-non-nullable=false",
        "--output",
        folder / "contract.d.ts",
    )
    options = {
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "preserveSymlinks": True,
        "module": "nodenext",
        "target": "es2022",
        "lib": ["es2022", "dom", "dom.iterable"],
        "types": [],
    }
    project = {"compilerOptions": options, "files": ["journeys.ts", "contract.d.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(project))
    made(NODE / "tsc", "--project", folder, cwd=folder)
    said = made("node", folder / "journeys.js", live, ADMIN_KEY, published)
    assert said.strip() == "all journeys done"
