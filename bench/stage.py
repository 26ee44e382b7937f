"""Where a measurement is, shown while it goes on."""

from dataclasses import dataclass

from rich.progress import Progress, TaskID


@dataclass(slots=True)
class Stage:
    """The steps of one measurement."""

    name: str
    progress: Progress
    task: TaskID
    begun: int = 0

    def expect(self, steps: int) -> None:
        """Say how many steps there will be."""
        self.progress.update(self.task, total=steps)

    def step(self, doing: str) -> None:
        """Begin the next step."""
        self.begun += 1
        self.say(doing)

    def say(self, doing: str) -> None:
        """Say what is being done in this step."""
        doing, done = f"{self.name}: {doing}", max(self.begun - 1, 0)
        self.progress.update(self.task, completed=done, description=doing, refresh=True)

    def end(self) -> None:
        """Say that nothing is left to do."""
        total = max(self.begun, 1)
        self.progress.update(self.task, completed=total, total=total, description=self.name)
