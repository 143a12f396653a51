"""`docs/performance.md` shows what was measured, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.measuring.comparing import Comparison, Goal
from benchmarks.measuring.document import with_tables
from benchmarks.measuring.results import keep, kept
from benchmarks.run import DOCUMENT, TOPICS, kept_topics

MACHINE = {"cores": "2", "processor": "Abacus", "memory": "1 GiB", "system": "Linux 6.1"}
READS = Comparison(
    title="One profile",
    sizes="10 profiles",
    base="fastify + pg",
    rounds={
        "PET": [{"requests/s": 1500.0}, {"requests/s": 3000.0}, {"requests/s": 2400.0}],
        "fastify + pg": [{"requests/s": 1000.0}, {"requests/s": 1500.0}, {"requests/s": 2000.0}],
    },
    goals=[
        Goal("PET", "requests/s", to="fastify + pg", at_least=1.0),
        Goal("PET", "requests/s", at_most=2000.0),
        Goal("PET", "requests/s", to="express + pg", at_least=3.0),
    ],
)
DOCUMENTED = """\
<!-- measured: goals -->

| what | goal | found | |
| --- | --- | --- | --- |
| One profile | requests/s: PET at least 1 of fastify + pg | 1.50 (1.20-2.00) | reached |
| One profile | requests/s: PET at most 2000 | 2,400 (1,500-3,000) | missed |

<!-- end -->
Text of ours.
<!-- measured: rest -->

Measured on 2 cores of Abacus, 1 GiB, Linux 6.1.

**One profile** (10 profiles; 3 rounds)

| | requests/s |
| --- | --- |
| fastify + pg | 1 = 1,500 |
| PET | 1.50 (1.20-2.00) |

<!-- end -->
<!-- measured: graphql -->

Not measured yet.

<!-- end -->
"""


def test_the_tables_are_written_between_the_marks(tmp_path: Path) -> None:
    keep(tmp_path / "results.json", "rest", MACHINE, [READS])
    empty = "<!-- measured: goals -->\n<!-- end -->\nText of ours.\n<!-- measured: rest -->\nstale\n<!-- end -->\n"
    document = empty + "<!-- measured: graphql -->\n<!-- end -->\n"
    assert with_tables(document, kept(tmp_path / "results.json")) == DOCUMENTED


def test_a_topic_measured_again_replaces_its_results_alone(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    keep(results, "rest", MACHINE, [READS, READS])
    keep(results, "lists", MACHINE, [READS])
    lists = kept(results)["lists"]
    keep(results, "rest", MACHINE, [READS])
    assert kept(results) == {"rest": lists, "lists": lists}


def test_the_document_shows_the_results_that_are_kept() -> None:
    document = DOCUMENT.read_text()
    assert with_tables(document, kept_topics()) == document


@pytest.mark.parametrize("topic", ["goals", *TOPICS])
def test_every_topic_has_its_place_in_the_document(topic: str) -> None:
    assert DOCUMENT.read_text().count(f"<!-- measured: {topic} -->\n") == 1
