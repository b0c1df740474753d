"""What a classifier is given, and a batch that memory is too small for."""

import numpy as np
import pytest
import torch

from srscene.classify.inference import halving, normalise
from srscene.core.console import BadInput
from tests.classify.test_artefact import CARD


def test_normalise_is_the_plain_formula_and_channels_last() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.uint8))
    found = normalise(images, CARD)
    expected = (
        images.numpy().transpose(0, 3, 1, 2) / 255 - np.reshape(CARD.mean, (1, 3, 1, 1))
    ) / np.reshape(CARD.std, (1, 3, 1, 1))
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def _fits_up_to(limit: int) -> object:
    def run(batch_size: int) -> int:
        torch.empty(1 if batch_size <= limit else 2**62, dtype=torch.uint8)  # no machine has 2^62 bytes
        return batch_size

    return run


@pytest.mark.parametrize(("limit", "found"), [(9, 9), (8, 4), (1, 1)])
def test_the_batch_is_halved_until_memory_suffices(limit: int, found: int) -> None:
    assert halving(_fits_up_to(limit), 9) == found  # type: ignore[arg-type]


def test_too_little_memory_for_one_image() -> None:
    with pytest.raises(BadInput, match="not enough for one image"):
        halving(_fits_up_to(0), 4)  # type: ignore[arg-type]


def test_other_errors_are_not_hidden() -> None:
    def run(batch_size: int) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        halving(run, 4)
