"""How far a broadcast goes, on a simulated clock: the pace learns a ceiling that nobody told it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.scale import HEAD, Simulation, judge

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_process_comes_near_to_a_quota_that_it_was_not_told(seed):
    case = (20_000, 1, 2_500)
    assert judge(Simulation(*case, seed).run(), *case)[1] == []


def test_processes_that_know_nothing_of_each_other_share_an_account():
    told = Simulation(5_000, 4, 2_500).run()
    assert told.last <= 1.15 * (4 * 5_000 - 1_250) / 2_500
    assert told.failed == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("case", [(5_000, 16, 2_500), (10_000, 16, 10_000)])
def test_sixteen_processes_that_know_nothing_of_each_other_come_to_equal_shares(case, seed):
    assert judge(Simulation(*case, seed).run(), *case)[1] == []


def test_a_list_that_takes_longer_than_the_deadline_is_served_to_its_end():
    told = Simulation(20_000, 1, 1_000).run()
    assert told.last > 17.0
    assert told.failed == 0


def test_one_process_takes_its_burst_in_the_first_second():
    told = Simulation(5_000, 1, 10_000).run()
    assert told.first < 1.2
    assert told.throttled == 5  # the slow readers alone


def test_a_broadcast_to_a_few_takes_one_round_trip():
    assert Simulation(5, 1, 10_000).run().last <= 0.03


def test_the_bench_prints_a_line_for_each_case_and_says_what_was_missed():
    command = [sys.executable, "-m", "bench", "scale", "--most", "10000"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(re.findall(r"^ +1?[01],000 +1 .*s$", run.stdout, re.MULTILINE)) == 3
    line, missed = judge(Simulation(5, 1, 10_000).run()._replace(failed=2, throttled=1), 5, 1, 10_000)
    assert missed == ["429", "failed"]
    assert line.startswith("         5         1  10,000")


def test_the_docs_show_the_table_that_the_bench_prints():
    shown = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert HEAD in shown
    for case in ((1_000, 1, 10_000), (10_000, 1, 10_000), (1_000, 1, 2_500)):
        assert judge(Simulation(*case).run(), *case)[0] in shown
