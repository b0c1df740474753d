"""What the card says of the training images."""

import numpy as np
import pytest

from srscene.classify import statistics as module
from srscene.classify.statistics import statistics


def test_they_are_those_of_the_images_means(make_store) -> None:
    store = make_store(train=7, val=3, test=2)
    means = store.batch(store.indices("train")).mean((1, 2))
    found = statistics(store, store.indices("train"))
    assert found.images == 7
    np.testing.assert_allclose(found.mean, means.mean(0), atol=6e-4)
    np.testing.assert_allclose(found.std, means.std(0), atol=6e-4)
    assert min(found.std) > 1


def test_of_many_images_some_are_read_from_all_over(make_store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 3)
    store = make_store(train=21, val=0, test=0)
    found = statistics(store, store.indices("train"))
    assert found.images == 3
    np.testing.assert_allclose(found.mean, store.batch([0, 10, 20]).mean((0, 1, 2)), atol=1e-3)


def test_one_image_has_no_spread(make_store) -> None:
    assert statistics(make_store(train=1), np.array([0])).std == (0, 0, 0)
