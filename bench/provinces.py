"""Provinces with many ratings, each in a database of its own, made when first asked for."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from app.db.embedded import EmbeddedServer
from bench import scene
from bench.scratch import ask, folder
from bench.stage import Stage


@dataclass(slots=True)
class Province:
    """A database with a known number of ratings."""

    data: Path
    url: str


@dataclass(slots=True)
class Provinces:
    """The provinces that several measurements read, on one server that ends with the stack."""

    stack: ExitStack
    made: dict[tuple[int, int], Province] = field(default_factory=dict)
    data: Path | None = None
    server: str = ""

    def of(self, ratings: int, stage: Stage, peers: int = scene.AGENCIES) -> Province:
        """The province with so many ratings of so many agencies."""
        if self.data is None:
            self.data = self.stack.enter_context(folder())
            self.server = self.stack.enter_context(EmbeddedServer(self.data)).start()
        if (ratings, peers) not in self.made:
            name = f"province_{ratings}_{peers}"
            ask(self.server, f"CREATE DATABASE {name}")
            url = self.server.replace("/hailong?", f"/{name}?")
            scene.found(self.data, url, peers)
            for done in scene.rate(url, ratings, peers):
                stage.say(f"storing ratings, {done:,} of {ratings:,}")
            stage.say("counting them")
            scene.recount(self.data, url)
            self.made[ratings, peers] = Province(self.data, url)
        return self.made[ratings, peers]
