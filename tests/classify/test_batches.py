"""Which patches make a batch, and their augmentation on the device."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srscene.classify.batches import (
    augment,
    draw_views,
    loader,
    plan_reading,
    plan_training,
    share,
    steps_per_epoch,
)


@given(
    patches=st.integers(1, 60), batch_size=st.integers(1, 20), world=st.integers(1, 4), seed=st.integers(0, 9)
)
def test_every_epoch_holds_every_patch_once(patches: int, batch_size: int, world: int, seed: int) -> None:
    indices = np.arange(100, 100 + patches)
    plan = plan_training(indices, batch_size, range(2), seed)
    steps = steps_per_epoch(patches, batch_size)
    assert len(plan) == 2 * steps
    sizes = [len(batch) for batch in plan]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    for epoch in (plan[:steps], plan[steps:]):
        assert sorted(np.concatenate(epoch)) == sorted(indices)
    shares = [share(plan, rank, world) for rank in range(world)]
    for step, batch in enumerate(plan):
        assert np.array_equal(np.concatenate([part[step] for part in shares]), batch)


def test_order_depends_on_seed_and_epoch_alone() -> None:
    indices = np.arange(50)
    whole = plan_training(indices, 8, range(4), seed=1)
    resumed = plan_training(indices, 8, range(2, 4), seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(whole[14:], resumed, strict=True))
    assert not np.array_equal(np.concatenate(whole[:7]), np.concatenate(whole[7:14]))
    assert not np.array_equal(whole[0], plan_training(indices, 8, range(1), seed=2)[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_reads_the_planned_patches(make_store, workers: int) -> None:
    store = make_store(train=20)
    plan = [np.array([17, 2, 31]), np.array([0])]
    first, second = loader(store, plan, torch.device("cpu"), workers)
    assert np.array_equal(first.images.numpy(), np.stack([store[17], store[2], store[31]]))
    assert np.array_equal(first.labels.numpy(), store.labels[[17, 2, 31]])
    assert second.images.shape == (1, 48, 48, 3)
    assert first.labels.dtype == torch.float32


def test_reading_keeps_the_order() -> None:
    plan = plan_reading(np.arange(3, 10), 3)
    assert [list(batch) for batch in plan] == [[3, 4, 5], [6, 7, 8], [9]]
    assert plan_reading(np.arange(0), 3) == []


def _orientations(window: np.ndarray) -> list[bytes]:
    turned = [np.rot90(window, turns) for turns in range(4)]
    return [image.tobytes() for image in turned + [np.swapaxes(image, 0, 1) for image in turned]]


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99), st.data())
@settings(deadline=None)
def test_an_augmented_image_is_a_window_in_one_of_eight_orientations(
    count: int, height: int, width: int, seed: int, data: st.DataObject
) -> None:
    side = data.draw(st.integers(1, min(height, width)))
    images = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3)).astype(np.uint8)
    views = draw_views(count, (height, width), side, np.random.default_rng(seed))
    augmented = augment(torch.from_numpy(images), views).numpy()
    assert augmented.shape == (count, side, side, 3)
    assert augmented.dtype == np.uint8
    for image, window in zip(images, augmented, strict=True):
        windows = [
            image[top : top + side, left : left + side]
            for top in range(height - side + 1)
            for left in range(width - side + 1)
        ]
        assert window.tobytes() in {bytes_ for each in windows for bytes_ in _orientations(each)}


def test_all_orientations_and_places_occur() -> None:
    image = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    images = torch.from_numpy(np.repeat(image, 2000, 0))
    augmented = augment(images, draw_views(2000, (3, 3), 2, np.random.default_rng(0))).numpy()
    found, counts = np.unique(augmented.reshape(2000, -1), axis=0, return_counts=True)
    assert len(found) == 4 * 8
    assert counts.min() > 30  # of 62.5 expected each
    again = augment(images, draw_views(2000, (3, 3), 2, np.random.default_rng(0))).numpy()
    assert np.array_equal(augmented, again)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_shares_of_a_batch_are_augmented_as_the_whole(world: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 9, 8, 3)).astype(np.uint8)
    views = draw_views(7, (9, 8), 5, np.random.default_rng(1))
    parts = [
        augment(torch.from_numpy(share([images], rank, world)[0]), views.share(rank, world))
        for rank in range(world)
    ]
    assert torch.equal(torch.cat(parts), augment(torch.from_numpy(images), views))
