"""The benchmarks work: each runs at its tiniest size and finds what it is for. How fast is no test's business."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.__main__ import ALL, content, measure
from benchmarks.checking import Ran, WrongRun, check
from benchmarks.document import BEGIN, DOCUMENT, END, SECTIONS, rewritten
from benchmarks.documents import Workload
from benchmarks.ground import Ground
from benchmarks.rows import Outcome, compare
from benchmarks.scale import TINY
from benchmarks.targets import CPU, TARGETS, THROUGHPUT

# Stage 0 of two jobs, then stage 1 of two jobs.
RAN = [Ran(7, 0, 1, 1.0, 2.0), Ran(7, 0, 2, 1.0, 3.0), Ran(7, 1, 3, 3.0, 4.0), Ran(7, 1, 4, 3.5, 4.0)]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Ground(tmp_path_factory.mktemp("bench")) as ground:
        yield ground


@pytest.fixture(scope="module")
def found() -> list[Outcome]:
    """What the benchmarks before have found."""
    return []


@pytest.mark.parametrize("name", ALL)
def test_it_yields_sane_rows(name: str, ground: Ground, found: list[Outcome]) -> None:
    outcome = measure(ground, scale=TINY, names=[name])
    assert outcome.rows or outcome.figures
    for row in outcome.rows:
        assert row.ours >= 0
        assert row.spread[0] <= row.spread[1]
        if row.baseline is not None:
            assert row.baseline > 0
            assert row.ratio == pytest.approx(row.ours / row.baseline)
    found.append(outcome)
    if len(found) == len(ALL):
        assert {row.target for each in found for row in each.rows} == set(TARGETS)


def test_the_exact_jobs_in_order_count() -> None:
    check(Workload(1, 2, 2), ran=RAN)


@pytest.mark.parametrize(
    "ran",
    [
        pytest.param(RAN[:-1], id="one is missing"),
        pytest.param([*RAN, RAN[0]], id="one ran twice"),
        pytest.param([*RAN[:-1], Ran(7, 1, 4, 2.5, 4.0)], id="one began too early"),
        pytest.param([*RAN[:-1], Ran(7, 2, 4, 4.0, 5.0)], id="one is of another stage"),
    ],
)
def test_a_wrong_run_does_not(ran: list[Ran]) -> None:
    with pytest.raises(WrongRun):
        check(Workload(1, 2, 2), ran=ran)


def test_a_ratio_is_good_one_way_or_the_other() -> None:
    faster, slower = (compare(THROUGHPUT, ours=[ours], baseline=[100.0]) for ours in (200.0, 100.0))
    cheaper, dearer = (compare(CPU, ours=[ours], baseline=[1.0]) for ours in (3.0, 5.0))
    assert [row.ok for row in (faster, slower, cheaper, dearer)] == [True, False, True, False]
    assert not faster.aim_is_met


def test_the_document_takes_the_figures() -> None:
    row = compare(CPU, ours=[3.0, 2.0, 4.0], baseline=[1.0, 1.0, 1.0])
    begin, end = BEGIN.format(section="figures"), END.format(section="figures")
    kept = content(Outcome([row]), scale=TINY)
    text = rewritten(f"above\n{begin}\nold\n{end}\nbelow\n", section="figures", content=kept)
    assert text.startswith("above\n")
    assert text.endswith("below\n")
    assert "old" not in text
    assert "| 3 s | fork+exec+wait of `true`: 1 s | 3 x | 2-4 | ≤ 4 x | ≤ 2 x | at least met |" in text
    for section in SECTIONS:
        assert rewritten(DOCUMENT.read_text(), section=section, content=kept)
