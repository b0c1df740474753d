"""The whole stage on real files."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread

import h5py
import numpy as np
import pytest
from sklearn.metrics import label_ranking_loss

from srscene.classify.artefact import save_card
from srscene.core.classes import CLASSES
from srscene.core.hdf5 import write_texts
from srscene.core.predictions import Predictions, read, write
from srscene.core.tables import write_csv
from srscene.evaluate.metrics import METRICS, Metric, patch_mean
from srscene.evaluate.options import EvaluateOptions
from srscene.evaluate.run import evaluate
from srscene.evaluate.training_curve import Training
from srscene.runtime.console import BadInput
from srscene.runtime.params import parse
from tests.classify.test_artefact import CARD
from tests.options import section

OUTPUTS = [
    "metrics/test.json", "metrics/constant.json", "metrics/classes.json", "metrics/intervals.json",
    "model_card.md", "model_card.json",
    "plots/classes.csv", "plots/classes.png", "plots/precision_recall.csv", "plots/precision_recall.png",
    "plots/training.png", "plots/classes.pdf", "plots/precision_recall.pdf", "plots/training.pdf",
]  # fmt: skip


def split(patches: int, seed: int) -> Predictions:
    random = np.random.default_rng(seed)
    prior = np.linspace(0.5, 0.02, 19)
    labels = (random.random((patches, 19)) < prior).astype(np.uint8)
    labels[np.arange(patches), random.integers(0, 6, patches)] = 1
    logits = np.log(prior / (1 - prior)) - 0.5 + 2 * labels + random.normal(size=labels.shape)
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return Predictions(probabilities, labels, [f"{seed}-{i}" for i in range(patches)])


def run(
    folder: Path,
    test: Predictions,
    val: Predictions,
    table: Sequence[Metric] = METRICS,
    **options: object,
) -> dict[str, dict]:
    write(folder / "predictions.h5", {"val": val, "test": test}, {"backbone": "resnet50", "sr": "none"})
    write_csv(folder / "training.csv", Training._fields, [[1, 0.5, 0.6, 0.7, 0.001], [2, 0.4, "", "", 0]])
    save_card(replace(CARD, training={"train": 1200, "val": 40, "seed": 7, "batch_size": 8}), folder)
    evaluate(
        folder / "predictions.h5",
        folder / "training.csv",
        folder / "card.json",
        section("evaluate", EvaluateOptions, resamples=100, **options),
        0,
        folder / "metrics",
        folder / "plots",
        folder / "model_card.md",
        table,
    )
    found = {
        name: json.loads((folder / f"metrics/{name}.json").read_text())
        for name in ("test", "constant", "classes", "intervals")
    }
    return found | {"intervals": {record["metric"]: record for record in found["intervals"]}}


def test_the_model_card_says_what_it_is_and_what_it_scored(tmp_path: Path) -> None:
    test = split(80, 0)
    test.labels[:, 18] = 0
    found = run(tmp_path, test, split(40, 1))
    card = (tmp_path / "model_card.md").read_text()
    head, card = card.removeprefix("---\n").split("---\n", 1)
    assert parse(head.encode())["library_name"] == "timm"
    assert card.startswith("# test_resnet, sr: ")
    interval = found["intervals"]["macro_ap"]
    assert f"| macro_ap | {interval['value']:.3f} | {interval['low']:.3f} – {interval['high']:.3f} | " in card
    assert f"| Urban fabric | {found['classes']['Urban fabric']:.3f} | " in card
    assert "- Nothing is known of Marine waters: no test patch has it." in card
    (tmp_path / "card.json").write_text("{}")
    assert "on 80 test patches of 80 Sentinel-2 products" in card
    assert "- 1,200 training and 40 validation patches; seed 7, batch_size 8." in card
    evaluated = tmp_path / "predictions.h5", tmp_path / "training.csv", tmp_path / "card.json"
    options = section("evaluate", EvaluateOptions, resamples=100)
    with pytest.raises(BadInput, match=r"card\.json: .*a classifier's card.*dvc repro train"):
        evaluate(*evaluated, options, 0, *(tmp_path / name for name in ("metrics", "plots", "model_card.md")))


def test_outputs_are_whole_and_the_same_twice(tmp_path: Path) -> None:
    found = run(tmp_path, split(80, 0), split(40, 1))
    bytes_before = {name: (tmp_path / name).read_bytes() for name in OUTPUTS}
    run(tmp_path, split(80, 0), split(40, 1))
    assert bytes_before == {name: (tmp_path / name).read_bytes() for name in OUTPUTS}
    assert not list(tmp_path.rglob("*.tmp"))

    test, constant = found["test"], found["constant"]
    assert test["n"] == 80
    assert test["threshold"] == 0.5
    assert test["f1"] > constant["f1"]
    assert constant["chosen_on"] == "val"
    assert constant.keys() >= {"f1", "acc", "hamming_loss", "one_error", "f2_macro", "macro_ap"}
    assert len(found["classes"]) == len(CLASSES)
    assert np.mean(list(found["classes"].values())) == pytest.approx(test["f2_macro"], abs=2e-6)
    for name in ("f1", "acc", "macro_ap", "micro_ap", "one_error"):
        record = found["intervals"][name]
        assert record["low"] <= record["value"] <= record["high"]
        assert (record["value"], record["constant"]) == (test[name], constant[name])


def test_plots_say_what_the_metrics_say(tmp_path: Path) -> None:
    found = run(tmp_path, split(80, 0), split(40, 1))
    with (tmp_path / "plots/classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == list(found["classes"])
    assert [float(row["f2"]) for row in rows] == list(found["classes"].values())
    with (tmp_path / "plots/precision_recall.csv").open() as file:
        points = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert len(points) <= 200
    assert points[-1]["recall"] == 1
    recall = [0.0, *(point["recall"] for point in points)]
    area = sum(np.diff(recall) * [point["precision"] for point in points])
    assert area == pytest.approx(found["test"]["micro_ap"], abs=0.01)


def test_a_metric_is_one_more_line_of_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exact = Metric("exact_match", patch_mean(lambda y, predicted, _: (y == predicted).all(1)), "higher", None)
    ranking = Metric("ranking_loss", patch_mean(ranking_loss), "lower", None)
    test, val = split(300, 0), split(40, 1)
    found = run(tmp_path, test, val, (*METRICS, exact, ranking))
    right = (test.labels == (test.probabilities >= 0.5)).all(1).mean()
    assert right > 0
    assert found["test"]["exact_match"] == pytest.approx(right, abs=1e-6)
    loss = label_ranking_loss(test.labels, test.probabilities)
    assert found["test"]["ranking_loss"] == pytest.approx(loss, abs=1e-6)
    for name, record in found["intervals"].items():
        assert record["low"] < record["value"] < record["high"], name
        assert record["constant"] == found["constant"][name]
    printed = capsys.readouterr().out
    assert "exact_match ↑" in printed
    assert "ranking_loss ↓" in printed
    assert "hamming_loss ↓" in printed
    assert {"exact_match", "ranking_loss"}.isdisjoint(run(tmp_path, test, val)["intervals"])


def ranking_loss(labels: np.ndarray, _: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return np.array([label_ranking_loss(y[None], s[None]) for y, s in zip(labels, scores, strict=True)])


def test_a_metric_that_no_resample_could_measure_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="of"):
        Metric(name="exact_match", better="higher", paper=None)


def test_one_test_patch_and_no_validation_patch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(tmp_path, split(1, 0), split(0, 1), threshold="tuned")
    said = capsys.readouterr().out
    assert "no validation patch to tune the threshold on" in said
    assert "one test patch: no intervals" in said
    assert found["test"]["threshold"] == 0.5
    assert found["constant"]["chosen_on"] == "test"
    assert found["intervals"]["f1"]["low"] is None
    assert all((tmp_path / name).exists() for name in OUTPUTS)


def test_no_label_at_all(tmp_path: Path) -> None:
    test = split(5, 0)
    test.labels[:] = 0
    found = run(tmp_path, test, split(0, 1))
    assert found["test"]["macro_ap"] is None
    assert found["test"]["micro_ap"] is None
    assert found["test"]["f1"] == 0


def test_threshold_is_tuned_on_validation_alone(tmp_path: Path) -> None:
    test, val = split(80, 0), split(40, 1)
    tuned = run(tmp_path, test, val, threshold="tuned")["test"]
    assert tuned["threshold"] != 0.5
    flipped = Predictions(test.probabilities, 1 - test.labels, test.names)
    assert run(tmp_path, flipped, val, threshold="tuned")["test"]["threshold"] == tuned["threshold"]


def test_bad_predictions_are_one_line(tmp_path: Path) -> None:
    broken = split(3, 0)
    broken.probabilities[1, 4] = np.nan
    with pytest.raises(BadInput, match=r"predictions.h5: test patch 0-1 has a value outside 0..1") as error:
        run(tmp_path, broken, split(2, 1))
    assert "\n" not in str(error.value)
    with pytest.raises(BadInput, match="holds no test patch"):
        run(tmp_path, split(0, 0), split(2, 1))


def test_predictions_of_another_kind_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "predictions.h5"
    with pytest.raises(BadInput, match=r"predictions.h5: not there; expected .*; run `dvc repro predict`"):
        read(file)
    file.write_bytes(b"not HDF5")
    with pytest.raises(BadInput, match=r"predictions.h5: damaged "):
        read(file)
    write(file, {"val": split(2, 1), "test": split(3, 0)}, {})
    found, _ = read(file)
    assert (found["test"].probabilities == split(3, 0).probabilities).all()
    with h5py.File(file, "a") as edited:
        write_texts(edited, {"classes": json.dumps(sorted(CLASSES))})
    with pytest.raises(
        BadInput, match=r"its classes are \['Agro-forestry areas'.* expected \['Urban fabric'"
    ):
        read(file)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("probabilities", np.zeros((3, 18), np.float32)),
        ("probabilities", np.zeros((3, 19), np.float64)),
        ("probabilities", np.full((3, 19), 1.5, np.float32)),
        ("labels", np.full((3, 19), 2, np.uint8)),
        ("labels", np.zeros((2, 19), np.uint8)),
        ("names", np.array([b"one"])),
        ("names", np.array([1, 2, 3])),
    ],
)
def test_predictions_that_are_none_are_one_line(tmp_path: Path, name: str, values: np.ndarray) -> None:
    file = tmp_path / "predictions.h5"
    write(file, {"val": split(2, 1), "test": split(3, 0)}, {})
    with h5py.File(file, "a") as edited:
        del edited["test"][name]
        edited["test"][name] = values
    with pytest.raises(BadInput, match=r"predictions.h5: ") as error:
        read(file)
    assert "\n" not in str(error.value)


def test_refused_predictions_leave_hdf5_to_other_threads(tmp_path: Path) -> None:
    """Also while the error is there, with all that its frames hold: h5py's lock is one for all files."""
    good, bad = tmp_path / "good.h5", tmp_path / "bad.h5"
    for file in (good, bad):
        write(file, {"val": split(2, 1), "test": split(3, 0)}, {})
    with h5py.File(bad, "a") as edited:
        del edited["test"]["names"]
        edited["test"]["names"] = [1, 2, 3]
    with pytest.raises(BadInput) as error:
        read(bad)
    other = Thread(target=read, args=[good], daemon=True)
    other.start()
    other.join(20)
    assert not other.is_alive(), error


@pytest.mark.parametrize("threshold", [0, 1, 1.2, "best"])
def test_options_refuse_impossible_thresholds(threshold: object) -> None:
    with pytest.raises(BadInput, match=r"evaluate\.threshold"):
        section("evaluate", EvaluateOptions, threshold=threshold)
