"""docs/integrators.md: what it shows is run, and what it says of errors is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli.processes import PATIENCE, ROOT, background, environment, folder, serving

from app.api.statuses import PROTOCOL, STATUS

GUIDE = (ROOT / "docs" / "integrators.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(sh|python)?\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (\d{3}) \| (.*?) \|", re.MULTILINE)


def script(folder: Path) -> str:
    """All blocks in their order; after what a block says stands the number of the block."""
    steps = ["set -eu -o pipefail"]
    for number, (language, block) in enumerate(BLOCKS):
        if language == "sh":
            steps.append(block)
        elif (kept := re.match(r"# (\w+\.py)\n", block)) is not None:
            (folder / kept[1]).write_text(block, "utf-8")
        elif language == "python":
            (folder / f"block_{number}.py").write_text(block, "utf-8")
            steps.append(f"{sys.executable} {folder}/block_{number}.py")
        steps.append(f"printf '\\n=== {number}\\n'")
    return "\n".join(steps)


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict[int, str]:
    """What each block says, on a fresh demonstration as `make run` starts it."""
    code = tmp_path_factory.mktemp("guide")
    with folder() as data, serving(data, "demo") as service, background(data, "worker"):
        ran = subprocess.run(
            ["bash", "-c", script(code)],
            cwd=ROOT,
            env=environment(data) | {"BASE": f"http://127.0.0.1:{service.port}"},
            capture_output=True,
            encoding="utf-8",
            timeout=10 * PATIENCE,  # only something broken takes so long
            check=False,
        )
        assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    told = re.split(r"\n=== (\d+)\n", ran.stdout)
    return {int(number): text for text, number in zip(told[::2], told[1::2], strict=False)}


@pytest.mark.parametrize(
    "number", [n for n, (language, _) in enumerate(BLOCKS) if n and language == ""]
)
def test_what_is_shown_is_what_comes_out(said, number):
    shown, found = BLOCKS[number][1], said[number - 1]
    for line in shown.splitlines():
        parts = [re.escape(part) for part in line.strip().split("…") if part]
        assert re.search(".*".join(parts), found), f"{line}\nis not in\n{found}"


def test_every_block_is_run(said):
    assert [language for language, _ in BLOCKS].count("python") > 4
    assert set(said) == set(range(len(BLOCKS)))


def test_the_tables_of_errors_are_those_of_the_service():
    codes = {(status, error.code) for error, status in STATUS.items()}
    codes |= {(status, code) for status, code in PROTOCOL.items()}
    named = [
        (int(status), code)
        for status, cell in ROW.findall(GUIDE.partition("## Errors")[2])
        for code in re.findall(r"`([a-z0-9-]+)`", cell)
    ]
    assert sorted(named) == sorted(codes)


def test_the_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target
