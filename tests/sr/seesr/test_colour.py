"""The colour fixes alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from srscene.sr.seesr.model import colour
from srscene.sr.seesr.options import ColourFix
from tests.sr.seesr.official import DATA, picture


@pytest.mark.parametrize("how", ["adain", "wavelet"])
def test_pictures_are_the_official_ones(how: ColourFix) -> None:
    data = {name: picture(pixels) for name, pixels in load_file(DATA / "colorfix_io.safetensors").items()}
    found = colour.fix(data["target_uint8"], data["source_uint8"], how)
    assert torch.equal(found, data[f"{how}_uint8"])


def test_adain_takes_the_unbiased_variance() -> None:
    pictures, source = (
        torch.tensor(pixels).view(1, 1, 1, 2).repeat(1, 3, 1, 1) for pixels in ([0.500, 0.502], [0.2, 0.6])
    )
    away = 0.001 * ((2 * 0.2**2 + 1e-5) / (2 * 0.001**2 + 1e-5)) ** 0.5  # from the source's mean
    torch.testing.assert_close(
        colour.adain(pictures, source)[0, 0, 0], torch.tensor([0.4 - away, 0.4 + away]), atol=1e-4, rtol=0
    )


def test_none_changes_nothing() -> None:
    pictures, source = torch.randint(0, 256, (2, 2, 3, 40, 48), dtype=torch.uint8)
    assert torch.equal(colour.fix(pictures, source, "none"), pictures)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), how=st.sampled_from(["adain", "wavelet"]))
def test_each_picture_is_fixed_by_itself(seed: int, how: ColourFix) -> None:
    generator = torch.Generator().manual_seed(seed)
    pictures, source = torch.randint(0, 256, (2, 3, 3, 40, 48), dtype=torch.uint8, generator=generator)
    together = colour.fix(pictures, source, how)
    alone = [colour.fix(pictures[n : n + 1], source[n : n + 1], how) for n in range(3)]
    assert (together.int() - torch.cat(alone).int()).abs().max() <= 1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_adain_takes_the_mean_of_the_source(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.rand(1, 3, 32, 32, generator=generator)
    source = torch.rand(1, 3, 32, 32, generator=generator) * 0.5
    fixed = colour.adain(pictures, source)
    torch.testing.assert_close(fixed.mean((2, 3)), source.mean((2, 3)), atol=1e-5, rtol=0)
