"""Predictions in, metrics and plots out."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from srscene import predictions
from srscene.console import BadInput, say
from srscene.evaluate import metrics
from srscene.evaluate.bootstrap import LEVEL, intervals
from srscene.evaluate.curve import Curve, curve
from srscene.evaluate.options import EvaluateOptions
from srscene.evaluate.plots import draw_classes, draw_precision_recall
from srscene.evaluate.predictors import Constant, best_constant, best_threshold
from srscene.figures import short_label
from srscene.labels import CLASSES
from srscene.predictions import Predictions

LOWER_IS_BETTER = {"hamming_loss", "one_error"}


def evaluate(file: Path, options: EvaluateOptions, seed: int, metrics_out: Path, plots_out: Path) -> None:
    """Write the metrics of the classifier and of the best constant prediction, intervals, curves; print them.

    Raises BadInput when the predictions are damaged, hold no test patch or are not probabilities.
    """
    splits, attributes = predictions.read(file)
    test, val = _checked(splits["test"], file, "test"), _checked(splits["val"], file, "val")
    if not test.names:
        raise BadInput(
            f"{file}: holds no test patch; evaluation needs at least 1, so check the data set's split"
        )
    labels, scores = test.labels, test.probabilities
    threshold = _threshold(options, val)
    constant, chosen_on = _constant(val, test)
    _say_what_is_missing(labels)

    predicted = scores >= threshold
    model = metrics.measure(labels, predicted, scores)
    constant_predicted, constant_scores = constant.predict(len(labels))
    prior = metrics.measure(labels, constant_predicted, constant_scores)
    limits = intervals(labels, predicted, scores, options.resamples, seed) if len(labels) > 1 else {}
    classes = metrics.by_class(labels, predicted, scores)

    size = {"n": len(labels), "threshold": threshold}
    _write_json(metrics_out / "test.json", {**model, **size})
    _write_json(metrics_out / "constant.json", {
        **prior, "n": len(labels), "labels": int(constant.labels.sum()), "chosen_on": chosen_on,
    })  # fmt: skip
    _write_json(metrics_out / "classes.json", {name: values["f2"] for name, values in classes.items()})
    _write_json(metrics_out / "intervals.json", [
        {"metric": name, "value": value, "low": low, "high": high, "constant": prior[name], "level": LEVEL}
        for name, value in model.items() for low, high in [limits.get(name, (None, None))]
    ])  # fmt: skip
    what = _in_words(attributes, len(labels))
    _plot(labels, scores, classes, constant, threshold, what, plots_out)
    _print_table(model, limits, prior, f"{what}, threshold {threshold:g}")


def _checked(split: Predictions, file: Path, name: str) -> Predictions:
    outside = ~((split.probabilities >= 0) & (split.probabilities <= 1))  # NaN is outside too
    if outside.any():
        patch = split.names[int(np.flatnonzero(outside.any(1))[0])]
        raise BadInput(
            f"{file}: {name} patch {patch} has a value outside 0..1, expected probabilities; "
            "did training diverge? lower classifier.learning_rate and train again"
        )
    return split


def _threshold(options: EvaluateOptions, val: Predictions) -> float:
    if options.threshold != "tuned":
        return options.threshold
    if not val.names:
        say("no validation patch to tune the threshold on: 0.5 it is")
        return 0.5
    return best_threshold(val.labels, val.probabilities)


def _constant(val: Predictions, test: Predictions) -> tuple[Constant, str]:
    if val.names:
        return best_constant(val.labels), "val"
    say("no validation patch: the constant prediction is chosen on test itself, which flatters it")
    return best_constant(test.labels), "test"


def _say_what_is_missing(labels: metrics.Binary) -> None:
    if len(labels) == 1:
        say("one test patch: no intervals, and single-image metrics (AP of its own labels is 1)")
    if absent := int((~labels.any(0)).sum()):
        say(
            f"{absent} of {labels.shape[1]} classes have no test patch: "
            "macro F2 counts them as 0, as scikit-learn does; macro AP leaves them out"
        )


def _in_words(attributes: dict[str, Any], patches: int) -> str:
    variant = f"{attributes.get('backbone')}, sr: {attributes.get('sr')}"
    return f"{variant}, {patches:,} test patch{'' if patches == 1 else 'es'}"


def _write_json(path: Path, values: dict[str, Any] | list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(_rounded(values), indent=2, allow_nan=False) + "\n")
    os.replace(temporary, path)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def _plot(
    labels: metrics.Binary,
    scores: metrics.Scores,
    classes: dict[str, dict[str, Any]],
    constant: Constant,
    threshold: float,
    what: str,
    folder: Path,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(
        folder / "classes.csv",
        ["label", "f2", "ap", "positives"],
        [[name, *_rounded(values).values()] for name, values in classes.items()],
    )
    constant_predicted, constant_scores = constant.predict(len(labels))
    constant_f2 = metrics.f2_scores(labels, constant_predicted)
    names = [short_label(name) for name in CLASSES]
    draw_classes(classes, dict(zip(names, constant_f2, strict=True)), what, folder / "classes.png")

    present = np.flatnonzero(labels.any(0))
    if not len(present):
        say("no test patch has a label: the precision-recall curve stays empty")
    empty = Curve(np.empty(0), np.empty(0), np.empty(0))
    micro = curve(labels, scores) if len(present) else empty
    prior = curve(labels, constant_scores) if len(present) else empty
    by_class = {names[k]: curve(labels[:, k], scores[:, k]) for k in present}
    rows = [[round(float(value), 6) for value in point] for point in zip(*micro, strict=True)]
    _write_csv(folder / "precision_recall.csv", ["recall", "precision", "threshold"], rows)
    draw_precision_recall(micro, by_class, prior, threshold, what, folder / "precision_recall.png")


def _write_csv(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    os.replace(temporary, path)


def _print_table(
    model: metrics.Metrics, limits: dict[str, tuple[float, float]], constant: metrics.Metrics, title: str
) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in ("classifier", "95 % interval", "best constant"):
        table.add_column(heading, justify="right")
    for name, value in model.items():
        low_high = "{:.3f} – {:.3f}".format(*limits[name]) if name in limits else "–"
        arrow = "↓" if name in LOWER_IS_BETTER else "↑"
        table.add_row(f"{name} {arrow}", _three(value), low_high, _three(constant[name]))
    Console().print(table)


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
