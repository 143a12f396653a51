"""Cases take turns, and each round gives its own ratios."""

from __future__ import annotations

from benchmarks.measuring.comparing import Comparison, Goal, Measure, Spread, compare


def test_every_other_round_goes_backwards() -> None:
    asked: list[str] = []

    def case(name: str) -> Measure:
        def measure() -> dict[str, float]:
            asked.append(name)
            return {"requests/s": 1.0 + len(asked), "p99 ms": 1.0}

        return measure

    found = compare("Reads", {"a": case("a"), "b": case("b")}, rounds=3, sizes="one", figures=["requests/s"])
    assert asked == ["a", "b", "b", "a", "a", "b"]
    rounds = {
        "a": [{"requests/s": 2.0}, {"requests/s": 5.0}, {"requests/s": 6.0}],
        "b": [{"requests/s": 3.0}, {"requests/s": 4.0}, {"requests/s": 7.0}],
    }
    assert found == Comparison("Reads", "one", "a", rounds)


def test_a_ratio_is_of_figures_of_the_same_round() -> None:
    rounds = {"a": [{"ms": 1.0}, {"ms": 10.0}], "b": [{"ms": 2.0}, {"ms": 30.0}]}
    comparison = Comparison("Reads", "one", "a", rounds)
    assert comparison.ratio("b", "ms", "a") == Spread(2.5, 2.0, 3.0)
    assert comparison.value("b", "ms") == Spread(16.0, 2.0, 30.0)


def test_a_goal_counts_where_both_cases_were_measured() -> None:
    at_most = Goal("b", "ms", to="a", at_most=2.4)
    goals = [at_most, Goal("b", "ms", to="c", at_most=1), Goal("c", "ms", at_most=1)]
    rounds = {"a": [{"ms": 1.0}, {"ms": 10.0}], "b": [{"ms": 2.0}, {"ms": 30.0}]}
    assert Comparison("Reads", "one", "a", rounds, goals).outcomes() == [(at_most, Spread(2.5, 2.0, 3.0))]
    assert [at_most.is_reached(ratio) for ratio in (2.4, 2.5)] == [True, False]
