"""How many processes read for each GPU."""

import pytest
import torch

from srscene.runtime.machine import Machine
from tests.options import section

TORCHRUN = {
    "RANK": "9",
    "WORLD_SIZE": "16",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "8",
    "OMP_NUM_THREADS": "1",
}


@pytest.mark.parametrize(("cores", "environment", "readers"), [
    (64, {}, 8),
    (64, {"OMP_NUM_THREADS": "4"}, 3),
    (4, {}, 3),
    (1, {}, 1),
    (48, TORCHRUN, 5),
    (12, TORCHRUN, 1),
])  # fmt: skip
def test_readers_are_as_many_as_the_cores_of_a_process(
    monkeypatch: pytest.MonkeyPatch, cores: int, environment: dict[str, str], readers: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert section("machine", Machine).readers(torch.device("cuda")) == readers
