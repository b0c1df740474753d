"""What all benchmarks share."""

import pytest

from benchmarks.common import peak, works


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA H200", 989),
        ("NVIDIA H200 NVL", 835),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L40S", 362),
    ],
)
def test_a_gpu_has_the_peak_of_its_own_kind(name: str, teraflops: float) -> None:
    assert peak(name) == teraflops * 1e12


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 4090", "NVIDIA H100 80GB HBM3 MIG 1g.10gb"])
def test_a_gpu_of_unknown_peak_has_none(name: str) -> None:
    assert peak(name) is None


def test_a_case_that_fails_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> None:
        raise RuntimeError("no compiler\nof any kind")

    assert works("fine", list)
    assert not works("HAT, torch.compile", run)
    assert capsys.readouterr().out == "HAT, torch.compile: failed (RuntimeError: no compiler of any kind)\n"
