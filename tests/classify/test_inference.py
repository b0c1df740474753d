"""What a classifier is given."""

import numpy as np
import torch

from srscene.classify.inference import normalise
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
