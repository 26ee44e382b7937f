"""`hailong`: serving, migrating, keys and the demonstration, from the command line."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from app import main as wiring
from app.cli import demo as demonstration
from app.cli import devices, exports, imports, keys, serving
from app.cli import recount as counting
from app.db import schema
from app.db.embedded import EmbeddedError
from app.db.installation import WrongReferenceKeyError
from app.db.opening import SecretUnusableError, database
from app.db.schema import SchemaOutdatedError
from app.db.session import DatabaseUnusableError
from app.domain.errors import DomainError
from app.domain.operation import Kind
from app.settings import Settings
from app.worker import comparison, occurrences, webhooks
from app.worker import imports as importing
from app.worker import run as run_jobs

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.add_typer(keys.app, name="keys", help="API keys.")
app.add_typer(devices.app, name="devices", help="Counter tablets and their keys.")


@app.command()
def serve() -> None:
    """Serve the API; the schema must be up to date (hailong migrate)."""
    serving.serve(Settings())


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after printing.")] = False,  # noqa: FBT002 -- typer reads a flag so
) -> None:
    """Load the examples, print the published figures as computed here, then serve."""
    demonstration.run(Settings(), once=once)


@app.command()
def migrate() -> None:
    """Bring the database schema up to date."""
    settings = Settings()

    async def bring_up() -> None:
        async with database(settings.address, settings.data_dir) as engine:
            await schema.migrate(engine)

    asyncio.run(bring_up())
    Console().print("The schema is up to date.")


@app.command()
def worker() -> None:
    """Do the work that nobody waits for: imports, webhooks, and comparing counts."""
    todo = (comparison.work, webhooks.work, occurrences.work, importing.work)
    asyncio.run(run_jobs(Settings(), *todo))


@app.command()
def recount(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002 -- typer reads a flag so
    repair: Annotated[bool, typer.Option("--repair", help="Put wrong counts right.")] = False,  # noqa: FBT002 -- typer reads a flag so
    yes: Annotated[bool, typer.Option("--yes", help="Do so without asking.")] = False,  # noqa: FBT002 -- typer reads a flag so
) -> None:
    """Count tally and funnel anew and tell what differs; exits 1 when anything does."""
    counting.run(Settings(), as_json=as_json, repair=repair, yes=yes)


@app.command("import")
def import_file(
    kind: Annotated[Kind, typer.Argument(help="What the rows are.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="NDJSON or CSV.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, store nothing.")] = False,  # noqa: FBT002 -- typer reads a flag so
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002 -- typer reads a flag so
    errors: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write all errors there, for Excel (CSV).")
    ] = None,
) -> None:
    """Store the rows of a file; exits 1 when some were rejected."""
    asked = imports.Asked(kind, file, dry_run, errors)
    imports.run(Settings(), asked, as_json=as_json)


@app.command()
def export(
    kind: Annotated[str, typer.Argument(help="ratings or dossiers.")],
    updated_after: Annotated[str | None, typer.Option(help="Only what changed since.")] = None,
    agency: Annotated[str | None, typer.Option(help="Only this agency's.")] = None,
    output: Annotated[Path | None, typer.Option(help="A file; .csv makes CSV of it.")] = None,
) -> None:
    """Write all ratings or dossiers as NDJSON, or CSV."""
    exports.run(Settings(), kind, since=updated_after, agency=agency, output=output)


@app.command()
def openapi() -> None:
    """Print the contract."""
    contract = wiring.create_app(Settings()).openapi()
    sys.stdout.write(json.dumps(contract, ensure_ascii=False, indent=2) + "\n")


def main() -> None:
    """Run the command line; trouble that the operator can mend is one line on stderr."""
    # So that a command told to end leaves the embedded server properly.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app(prog_name="hailong")
    except (
        EmbeddedError,
        DatabaseUnusableError,
        SchemaOutdatedError,
        WrongReferenceKeyError,
        SecretUnusableError,
        serving.PortTakenError,
        demonstration.NotADemonstrationError,
    ) as error:
        sys.exit(f"hailong: {error}")
    except ValidationError as error:
        told = [f"HAILONG_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors()]
        sys.exit("\n".join(f"hailong: {one}" for one in told))
    except DomainError as error:
        sys.exit(f"hailong: {keys.explain(error)}")
