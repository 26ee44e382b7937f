"""docs/operations.md names what there is: log lines, settings and commands."""

import re
import subprocess
import sys
from pathlib import Path

from app.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
LOGGED = re.compile(r'\blog\.(?:info|warning|error)\(\s*"([^"]+)"')


def test_every_log_line_is_explained():
    sources = (path.read_text("utf-8") for path in (ROOT / "app").rglob("*.py"))
    logged = {event for source in sources for event in LOGGED.findall(source)}
    logs = PAGE.partition("## Logs")[2].partition("## What to watch")[0]
    cells = re.findall(r"^\| (`.*?) \|", logs, re.MULTILINE)
    explained = {event for cell in cells for event in re.findall(r"`([^`]+)`", cell)}
    assert explained - {"event"} == logged


def test_the_settings_that_are_named_exist():
    named = set(re.findall(r"HAILONG_([A-Z_]+[A-Z])\b", PAGE))
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


def test_the_commands_that_are_named_exist():
    named = set(re.findall(r"\bhailong (keys|devices|[a-z]+)\b", PAGE)) - {"hailong"}
    command = [sys.executable, "-m", "app.cli", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    offered = set(re.findall(r"^\W*([a-z]+)", told.stdout, re.MULTILINE))
    assert named <= offered, named - offered
