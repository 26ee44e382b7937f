"""`make fuzz`: tens of thousands of requests that the contract allows, and many it does not.

Every operation is asked with its examples, at the edges of what its schemas allow, at random, and
in sequences along its links, against a service of its own. What is wrong is told with the request.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from contract.live import serving
from factories import BEARER

LEAST = 20_000
EXAMPLES = 230


def main() -> None:
    """Run it; ends with 1 when anything is wrong, or when too few requests were made."""
    (header,) = BEARER.items()
    with serving() as address, tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [
            Path(sys.executable).with_name("st"),
            *("run", f"{address}/openapi.json"),
            *("--header", ":".join(header)),
            *("--max-examples", str(EXAMPLES)),
            *("--suppress-health-check", "all"),
            *("--continue-on-failure", "--warnings", "off"),
            *("--report-json-path", report),
            *sys.argv[1:],
        ]
        told = os.environ | {"SCHEMATHESIS_HOOKS": "contract.checks", "PYTHONPATH": "tests"}
        wrong = subprocess.run(command, env=told, check=False).returncode
        made = json.loads(report.read_text("utf-8"))["test_cases"]["generated"]
    if made < LEAST:
        sys.exit(f"{made} requests were made, which is fewer than {LEAST}")
    sys.exit(wrong)


if __name__ == "__main__":
    main()
