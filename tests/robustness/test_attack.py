"""Damage of every kind, with fixed seeds: no traceback, and nothing wrong taken in silence."""

from itertools import islice
from pathlib import Path

import pytest

from dev.robustness.judge import WRONG, Tally, Verdict
from dev.robustness.targets import TARGETS

COUNT = 40


@pytest.mark.parametrize("target", TARGETS)
def test_damage_is_refused_by_name(target: str, tmp_path: Path) -> None:
    tally = Tally(target)
    for attempt in islice(TARGETS[target](tmp_path, 1), COUNT):
        tally.add(attempt)
    assert not any(tally.verdicts[verdict] for verdict in WRONG), "\n".join(tally.wrong)
    if target.startswith("scratch"):  # nothing to be mended by anyone: it is made again
        assert tally.verdicts[Verdict.RIGHT] == COUNT
    else:
        assert tally.verdicts[Verdict.REJECTED] > 0
