"""How much is measured: the whole, or a short try whose figures mean nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes and times of every measurement. Times are seconds."""

    repeats: int
    workers: tuple[int, ...]
    connections: tuple[int, ...]
    submit_seconds: int
    warm_seconds: int
    read_seconds: int
    few_ratings: int
    many_ratings: int
    import_ratings: int
    commune_ratings: int
    memory_seconds: int
    sample_seconds: float
    moments: int
    storm_ratings: int


WHOLE = Plan(
    repeats=5,
    workers=(1, 2),
    connections=(1, 8, 32),
    submit_seconds=6,
    warm_seconds=5,
    read_seconds=5,
    few_ratings=10_000,
    many_ratings=1_000_000,
    import_ratings=100_000,
    commune_ratings=200_000,
    memory_seconds=600,
    sample_seconds=2,
    moments=20,
    storm_ratings=3_000,
)

SHORT = Plan(
    repeats=3,
    workers=(1,),
    connections=(1, 8, 32),
    submit_seconds=1,
    warm_seconds=1,
    read_seconds=1,
    few_ratings=1_000,
    many_ratings=20_000,
    import_ratings=5_000,
    commune_ratings=20_000,
    memory_seconds=10,
    sample_seconds=0.5,
    moments=2,
    storm_ratings=200,
)
