"""Predictions in, metrics and plots out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from srscene.core import predictions
from srscene.core.predictions import Predictions
from srscene.core.tables import write_csv, write_json
from srscene.evaluate import model_card, training_curve
from srscene.evaluate.bootstrap import LEVEL, Intervals, intervals
from srscene.evaluate.clusters import products
from srscene.evaluate.curve import Curve, curve
from srscene.evaluate.metrics import METRICS, Binary, Metric, Metrics, Scores, by_class, measure
from srscene.evaluate.options import EvaluateOptions
from srscene.evaluate.plots import ClassCurve, draw_classes, draw_precision_recall
from srscene.evaluate.predictors import Constant, best_constant, best_threshold
from srscene.runtime.console import BadInput, say

FEW = 20
"""Products, below which a percentile interval is clearly narrower than 95 % (docs/statistics.md)."""


def evaluate(
    predictions_file: Path,
    training_csv: Path,
    card: Path,
    options: EvaluateOptions,
    seed: int,
    metrics_out: Path,
    plots_out: Path,
    model_card_out: Path,
    table: Sequence[Metric] = METRICS,
) -> None:
    """Write the metrics of the classifier and of the best constant prediction, intervals, curves; print them.

    `card` is the classifier's. `metrics_out` gets test.json, constant.json, classes.json and intervals.json;
    `plots_out` classes and precision_recall, each as CSV and PNG, and training.png. Raises BadInput when the
    predictions are damaged, hold no test patch or are not probabilities, and when the training's CSV or the
    card is damaged.
    """
    splits, attributes = predictions.read(predictions_file)
    test, val = (_split(splits, name, predictions_file) for name in ("test", "val"))
    if not test.names:
        raise BadInput(
            f"{predictions_file}: holds no test patch; evaluation needs at least 1, so check the data set's "
            "split"
        )
    training = training_curve.read(training_csv)
    labels, scores = test.labels, test.probabilities
    threshold = _threshold(options, val)
    constant, chosen_on = _constant(val, test)
    clusters = products(test.names)
    _say_what_is_missing(labels, int(clusters.max()) + 1)

    predicted = scores >= threshold
    model = measure(labels, predicted, scores, table)
    prior = measure(labels, *constant.predict(len(labels)), table)
    limits = intervals(labels, predicted, scores, clusters, options.resamples, seed, table)
    classes = by_class(labels, predicted, scores)

    variant = f"{attributes.get('backbone')}, sr: {attributes.get('sr')}"
    what = f"{variant}, {len(labels):,} test patch{'' if len(labels) == 1 else 'es'}"
    tested = {"n": len(labels), "products": int(clusters.max()) + 1}
    chosen = {"labels": int(constant.labels.sum()), "chosen_on": chosen_on}
    _write(metrics_out / "test.json", {**model, **tested, "threshold": threshold})
    _write(metrics_out / "constant.json", {**prior, **tested, **chosen})
    _write(metrics_out / "classes.json", {name: values["f2"] for name, values in classes.items()})
    records = _records(model, limits, prior)
    _write(metrics_out / "intervals.json", records)
    model_card.write(card, records, classes, {**tested, "threshold": threshold}, model_card_out)
    _plot_classes(labels, classes, constant, what, plots_out)
    _plot_precision_recall(labels, scores, classes, constant, threshold, what, plots_out)
    training_curve.draw(training, variant, plots_out / "training.png")
    _print_table(table, model, limits, prior, f"{what}, threshold {threshold:g}")


def _split(splits: dict[str, Predictions], name: str, file: Path) -> Predictions:
    if name not in splits:
        raise BadInput(f"{file}: has no split {name}, expected test and val; {predictions.REMEDY}")
    return splits[name]


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


def _say_what_is_missing(labels: Binary, clusters: int) -> None:
    if len(labels) == 1:
        say("one test patch: no intervals, and single-image metrics (AP of its own labels is 1)")
    elif clusters == 1:
        say("all test patches come from one Sentinel-2 product: no intervals, since none tells about another")
    elif clusters < FEW:
        say(f"test patches from {clusters} Sentinel-2 products: so few make intervals too narrow")
    if absent := int((~labels.any(0)).sum()):
        say(
            f"{absent} of {labels.shape[1]} classes have no test patch: "
            "macro F2 counts them as 0, as scikit-learn does; macro AP leaves them out"
        )


def _records(model: Metrics, limits: Intervals, prior: Metrics) -> list[dict[str, Any]]:
    """Return a record for each metric; the limits of one that is undefined are None."""
    return [
        {"metric": name, "value": value, "low": low, "high": high, "constant": prior[name], "level": LEVEL}
        for name, value in model.items()
        for low, high in [limits.get(name, (None, None))]
    ]


def _write(path: Path, values: Any) -> None:
    write_json(path, _rounded(values))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def _plot_classes(
    labels: Binary, classes: dict[str, dict[str, Any]], constant: Constant, what: str, folder: Path
) -> None:
    rows = [[name, *_rounded(values).values()] for name, values in classes.items()]
    write_csv(folder / "classes.csv", ["label", "f2", "ap", "positives"], rows)
    of_constant = by_class(labels, *constant.predict(len(labels)))
    constant_f2 = {name: values["f2"] for name, values in of_constant.items()}
    draw_classes(classes, constant_f2, what, folder / "classes.png")


def _plot_precision_recall(
    labels: Binary,
    scores: Scores,
    classes: dict[str, dict[str, Any]],
    constant: Constant,
    threshold: float,
    what: str,
    folder: Path,
) -> None:
    present = np.flatnonzero(labels.any(0))
    if not len(present):
        say("no test patch has a label: the precision-recall curve stays empty")
    empty = Curve(np.empty(0), np.empty(0), np.empty(0))
    _, constant_scores = constant.predict(len(labels))
    micro = curve(labels, scores) if len(present) else empty
    prior = curve(labels, constant_scores) if len(present) else empty
    of_classes = [
        ClassCurve(name, values["ap"], curve(labels[:, k], scores[:, k]))
        for k, (name, values) in enumerate(classes.items())
        if k in present
    ]
    rows = [[round(float(value), 6) for value in point] for point in zip(*micro, strict=True)]
    write_csv(folder / "precision_recall.csv", ["recall", "precision", "threshold"], rows)
    draw_precision_recall(micro, of_classes, prior, threshold, what, folder / "precision_recall.png")


def _print_table(
    table: Sequence[Metric],
    model: Metrics,
    limits: Intervals,
    constant: Metrics,
    title: str,
) -> None:
    printed = Table(title=title, title_justify="left")
    printed.add_column("")
    for heading in ("classifier", f"{LEVEL * 100:g} % interval", "best constant"):
        printed.add_column(heading, justify="right")
    for name, _, better, _ in table:
        low_high = "{:.3f} – {:.3f}".format(*limits[name]) if name in limits else "–"
        arrow = "↑" if better == "higher" else "↓"
        printed.add_row(f"{name} {arrow}", _three(model[name]), low_high, _three(constant[name]))
    Console().print(printed)


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
