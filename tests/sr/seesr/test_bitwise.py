"""Run as the official code was when it was recorded, ours returns the same to the last bit.

That takes the recorder's kernels: AVX-512, one thread, and MKL's for Intel CPUs, which MKL gives to no other
unless `mkl_serv_intel_cpu_true`, preloaded here, says that the CPU is Intel's. official_run.py does the rest.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.sr.seesr import official_run
from tests.sr.seesr.official import recorded

pytestmark = [
    pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX512", reason="a CPU without AVX-512"),
    pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler"),
]
INTEL = "int mkl_serv_intel_cpu_true(void) { return 1; }"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("bitwise")
    source, library, outputs = folder / "intel.c", folder / "intel.so", folder / "outputs.safetensors"
    source.write_text(INTEL)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    subprocess.run(
        [sys.executable, "-m", official_run.__name__, outputs],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    return load_file(outputs)


RECORDED = [("unet_controlnet", case) for case in official_run.CASES]
RECORDED += [("pipeline", run) for run in official_run.RUNS]


@pytest.mark.parametrize(("recording", "name"), RECORDED)
def test_outputs_are_the_official_ones_bit_for_bit(
    found: dict[str, torch.Tensor], recording: str, name: str
) -> None:
    expected = {
        f"{name}.{key}": tensor
        for key, tensor in recorded(recording, name).items()
        if key.startswith("out.") and key != "out.vae_decode_input"  # the last latents, scaled
    }
    assert expected.keys() == {key for key in found if key.startswith(f"{name}.")}
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key
