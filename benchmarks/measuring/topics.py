"""How a topic is run: its options, what it prints, and what it leaves in `results.json`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.comparing import Comparison
from benchmarks.measuring.cores import machine, stay_beside_the_servers
from benchmarks.measuring.results import keep


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is to be measured.

    Args:
        rounds: how often the cases take their turns.
        seconds: how long one case is under load in a round.
        is_smoke: only see that everything works: the least of everything, and without peers, which may be missing.
    """

    rounds: int
    seconds: float
    is_smoke: bool

    def size(self, number: int, smoke: int) -> int:
        """Return a number of things: the one that is meant, or the one that is enough to see that it works."""
        return smoke if self.is_smoke else number


Topic = Callable[[Plan], Iterable[Comparison]]


def main(name: str, topic: Topic) -> None:
    """Run a topic by the command line's options, print its comparisons one by one, and keep them."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each case (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="load of a case in a round (default: %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="see that it works: tiny sizes, no peers, nothing kept")
    parser.add_argument("--results", type=Path, help="a JSON file in which the results are kept beside other topics'")
    options = parser.parse_args()
    plan = Plan(1, 0.2, is_smoke=True) if options.smoke else Plan(options.rounds, options.seconds, is_smoke=False)
    stay_beside_the_servers()
    comparisons = []
    for comparison in topic(plan):
        print_comparison(comparison)
        comparisons.append(comparison)
    if options.results and not plan.is_smoke:
        keep(options.results, name, machine(), comparisons)


def print_comparison(comparison: Comparison) -> None:
    """Print a comparison: a table of each figure, then the goals."""
    count = len(next(iter(comparison.rounds.values())))
    print(f"\n{comparison.title} ({comparison.sizes}; {count} rounds, ratios to {comparison.base})")
    width = max(map(len, comparison.rounds))
    for figure in comparison.figures:
        print(f"  {figure}")
        for case in comparison.rounds:
            ratio, value = comparison.ratio(case, figure, comparison.base), comparison.value(case, figure)
            print(f"    {case:<{width}}  {ratio!s:>24}   {value}")
    for goal, found in comparison.outcomes():
        print(f"  {'reached' if goal.is_reached(found.median) else 'MISSED'}: {goal}: {found}")
