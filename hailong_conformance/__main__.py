"""`python -m hailong_conformance BASE_URL KEY`: tries a server, and says what it does not keep."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hailong_conformance import files, protocol, ratings, reading, refusals, report, webhooks
from hailong_conformance.receiver import Receiver
from hailong_conformance.scene import PROBES, NotReadyError, Scene, missing_scopes, others
from hailong_conformance.server import Server
from hailong_conformance.trial import Check, Outcome, Result, Trial, tried

CHECKS: tuple[Check, ...] = (
    *protocol.CHECKS,
    *reading.CHECKS,
    *ratings.CHECKS,
    *refusals.CHECKS,
    *files.CHECKS,
    *webhooks.CHECKS,
    *protocol.LAST,
)
BROKEN, NOT_READY, INTERRUPTED = 1, 2, 130
LARGEST_PORT = 65535


def prepared(server: Server, *, yes: bool) -> Scene:
    """The kit's own entries on the server; raises NotReadyError."""
    try:
        missing = missing_scopes(server)
        if missing:
            raise NotReadyError(f"The key lacks the scopes {', '.join(missing)}.")
        if not yes and others(server):
            raise NotReadyError(
                "The server has agencies that are not the kit's own. Try a sandbox; or say --yes "
                "to leave entries under a code of the kit's own on this one."
            )
        scene = Scene(server)
        scene.set_up()
    except (httpx.HTTPError, httpx.InvalidURL, LookupError, TypeError, ValueError) as error:
        raise NotReadyError(f"{server.address} does not answer as hailong does: {error}") from None
    return scene


def run(
    chosen: Sequence[Check],
    scene: Scene,
    receiver: Receiver | None = None,
    told: Callable[[str], None] = lambda _name: None,
) -> list[Result]:
    """What each check comes to; `told` hears the name of the one that begins."""
    results = []
    for one in chosen:
        told(one.name)
        results.append(tried(one, Trial(scene.server, scene, receiver)))
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the server that is named: 0 when it keeps everything, 1 when not, 2 when untried."""
    try:
        return _main(_parser().parse_args(arguments))
    except KeyboardInterrupt:
        return INTERRUPTED


def _main(said: argparse.Namespace) -> int:
    chosen = [one for one in CHECKS if not said.only or one.name in said.only]
    console = Console(stderr=said.json)
    try:
        receiver = _receiver(said.webhook_receiver, said.webhook_url)
    except OSError as error:
        console.print(f"Nothing can be received there: {error}", markup=False)
        return NOT_READY
    with Server(said.base_url, said.key) as server, receiver or nullcontext():
        try:
            scene = prepared(server, yes=said.yes)
        except NotReadyError as error:
            console.print(str(error), markup=False, soft_wrap=True)
            return NOT_READY
        results = _run_shown(console, chosen, scene, receiver)
    if said.json:
        sys.stdout.write(f"{report.as_json(server.address, scene, results)}\n")
    else:
        report.show(console, scene, results)
    return BROKEN if any(one.outcome is Outcome.FAILED for one in results) else 0


def _receiver(place: tuple[str, int] | None, url: str | None) -> Receiver | None:
    return None if place is None else Receiver(place[0], place[1], url)


def _run_shown(
    console: Console, chosen: Sequence[Check], scene: Scene, receiver: Receiver | None
) -> list[Result]:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(chosen), completed=-1)
        return run(
            chosen, scene, receiver, lambda name: progress.update(task, advance=1, description=name)
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hailong_conformance",
        description="Tries whether a server keeps what hailong promises to integrators.",
        epilog=f"The key needs the scopes {', '.join(PROBES)}, for all agencies.",
    )
    parser.add_argument("base_url", metavar="BASE_URL", help="e.g. http://127.0.0.1:8000")
    parser.add_argument("key", metavar="KEY", help="an API key of the server")
    parser.add_argument(
        "--only",
        metavar="NAME",
        nargs="+",
        choices=[one.name for one in CHECKS],
        help=f"only these checks: {', '.join(one.name for one in CHECKS)}",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--yes", action="store_true", help="also where there are other agencies")
    parser.add_argument(
        "--webhook-receiver",
        metavar="HOST:PORT",
        type=_place,
        help="where to listen for webhooks on this machine",
    )
    parser.add_argument(
        "--webhook-url",
        metavar="URL",
        help="the address at which the server reaches the receiver (http://HOST:PORT)",
    )
    return parser


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > LARGEST_PORT:
        raise argparse.ArgumentTypeError("is not HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    # However it is ended, its webhooks must not stay behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
