"""What the published recipes for BigEarthNet add: dropout, drop path, an early end."""

import csv
from pathlib import Path

import pytest
from timm.layers import DropPath

from srscene.classify.backbone import create
from srscene.classify.checkpoint import Epoch, History
from srscene.classify.train import train
from srscene.core.store import PatchStore
from srscene.runtime.machine import Machine
from tests.classify.stores import quick, write_store
from tests.options import section

MACHINE = section("machine", Machine)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PatchStore:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return write_store(tmp_path / "store")


def weights(store: PatchStore, folder: Path, **changes: object) -> bytes:
    train(
        store,
        "test_resnet",
        quick(epochs=1, **changes),
        0,
        MACHINE,
        folder,
        folder.with_suffix(".csv"),
        f"test {changes}",
    )
    return (folder / "model.safetensors").read_bytes()


def test_shares_are_the_backbone_s() -> None:
    model = create("resnet18", 48, dropout=0.2, drop_path=0.15)
    paths = [module.drop_prob for module in model.modules() if isinstance(module, DropPath)]
    assert model.drop_rate == 0.2
    assert max(paths) == pytest.approx(0.15)


def test_a_backbone_without_residual_branches_is_made_all_the_same(
    store: PatchStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = quick(epochs=1, drop_path=0.1)
    train(store, "ghostnet_050", options, 0, MACHINE, tmp_path / "out", tmp_path / "c.csv", "test")
    assert "ghostnet_050 has no residual branches to leave out" in capsys.readouterr().out


@pytest.mark.parametrize("changes", [{"dropout": 0.5}, {"drop_path": 0.9}])
def test_what_is_left_out_changes_the_training(
    store: PatchStore, tmp_path: Path, changes: dict[str, float]
) -> None:
    plain = weights(store, tmp_path / "plain", learning_rate=0.01)
    assert weights(store, tmp_path / "other", learning_rate=0.01, **changes) != plain


def test_validations_without_a_better_score_are_counted() -> None:
    history = History()
    for number, score in enumerate([0.2, None, 0.5, 0.4, None, 0.5], 1):
        history.add(Epoch(number, 1.0, None, score, 0.1))
    assert history.best is not None
    assert history.best.epoch == 3
    assert history.stale == 2


def test_an_early_end_also_after_a_kill(
    store: PatchStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rate of next to nothing: no epoch is better than the first."""
    options = quick(epochs=50, learning_rate=1e-12, patience=3)
    for _ in range(2):  # the second time from the checkpoint behind the last epoch
        train(store, "test_resnet", options, 0, MACHINE, tmp_path / "out", tmp_path / "training.csv", "test")
        with (tmp_path / "training.csv").open() as file:
            assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]
        assert "ended after epoch 4 of 50: 3 validations without a better" in capsys.readouterr().out
