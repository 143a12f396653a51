"""Comparisons: cases that take turns, and ratios of what they gave in the same round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Measure = Callable[[], Mapping[str, float]]
"""Measures once, and gives its figures by their names with their units: `requests/s`, `p99 ms`."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of values."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{shown(self.median)} ({shown(self.least)}-{shown(self.most)})"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure has to reach: by itself, or divided by that of another case in the same round.

    Args:
        case: whose figure.
        figure: its name.
        to: the other case; None where the figure itself counts.
        at_least: the bound from below, if any.
        at_most: the bound from above, if any.
    """

    case: str
    figure: str
    to: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    def is_reached(self, value: float) -> bool:
        """Tell whether a value keeps within the bounds."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        bounds = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        return f"{self.figure}: {self.case} {' and '.join(bounds)}{f' of {self.to}' if self.to else ''}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of the rounds.

    Args:
        title: what was done.
        sizes: how much of it, and on what data.
        base: the case to which the table's ratios are.
        rounds: the figures of each case, round by round.
        goals: what has to be reached.
    """

    title: str
    sizes: str
    base: str
    rounds: Mapping[str, Sequence[Mapping[str, float]]]
    goals: Sequence[Goal] = field(default=())

    @property
    def figures(self) -> list[str]:
        """The names of the figures."""
        return list(next(iter(self.rounds.values()))[0])

    def value(self, case: str, figure: str) -> Spread:
        """Return a figure of a case."""
        return Spread.of([found[figure] for found in self.rounds[case]])

    def ratio(self, case: str, figure: str, to: str) -> Spread:
        """Return a figure of a case by the same of another, each time in one round."""
        pairs = zip(self.rounds[case], self.rounds[to], strict=True)
        return Spread.of([mine[figure] / other[figure] if other[figure] else float("inf") for mine, other in pairs])

    def outcomes(self) -> list[tuple[Goal, Spread]]:
        """Return each goal with what there is of it; none about cases that were left out."""
        known = [goal for goal in self.goals if {goal.case, goal.to or goal.case} <= self.rounds.keys()]
        return [
            (
                goal,
                self.ratio(goal.case, goal.figure, goal.to) if goal.to else self.value(goal.case, goal.figure),
            )
            for goal in known
        ]


def compare(
    title: str,
    cases: Mapping[str, Measure],
    *,
    rounds: int,
    sizes: str,
    base: str | None = None,
    goals: Sequence[Goal] = (),
    figures: Sequence[str] = (),
) -> Comparison:
    """Measure the cases in turn, round by round; every other round goes backwards, so that no case is always after
    the same one.

    Args:
        title: what is done.
        cases: what is compared, by name; all give the same figures.
        rounds: how often.
        sizes: how much of it, and on what data.
        base: the case to which ratios are; the first, when it is not named.
        goals: what has to be reached; those about cases that are not there do not count.
        figures: those that are worth being shown; all, when none is named.
    """
    found: dict[str, list[Mapping[str, float]]] = {name: [] for name in cases}
    for number in range(rounds):
        for name in list(cases)[:: -1 if number % 2 else 1]:
            given = cases[name]()
            found[name].append({figure: given[figure] for figure in figures or given})
    return Comparison(title, sizes, base or next(iter(cases)), found, goals)


def shown(value: float) -> str:
    """Return a number with three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"
