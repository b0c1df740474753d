"""The benchmark's networks have the real sizes, and work (on tiny ones, without a GPU)."""

from pathlib import Path

import pytest
import torch

from benchmarks import seesr
from srscene.sr.seesr.checkpoint import ram
from srscene.sr.seesr.model.models import NETWORKS
from tests.sr.seesr.official import CPU, config, weights


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("unet", 1_126_760_324),
        ("controlnet", 489_031_440),
        ("vae", 83_653_863),
        ("text_encoder", 340_387_840),
        ("tagger", 212_117_045),
    ],
)
def test_real_sizes(name: str, parameters: int) -> None:
    network = NETWORKS[name](seesr.CONFIGS[name])
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_random_networks_restore() -> None:
    geometry = ram.read_geometry(weights("ram_base"), Path("ram"))
    configs = {name: config(f"{name}_config") for name in ("unet", "controlnet", "vae")}
    configs["text_encoder"] = {
        "hidden_size": configs["unet"]["cross_attention_dim"],
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
    }
    configs["tagger"] = geometry._replace(tags=4585)._asdict()
    models = seesr.random_models(configs, CPU, torch.float32)
    restore = seesr.restorer(models, CPU, steps=1, process_size=64)
    patches = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8)
    assert restore(patches, ["a", "b"]).shape == (2, 64, 64, 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to measure")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(seesr.run(quick=True)) == []
    assert "needs a GPU" in capsys.readouterr().out
