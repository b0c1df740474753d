"""scikit-learn's own value of every metric: what METRICS is held to."""

import numpy as np
from sklearn import metrics as sklearn


def values(labels: np.ndarray, predicted: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Return the metrics by our names; macro average precision is over the classes that have a positive."""
    present = labels.any(0)
    samples = {"average": "samples", "zero_division": 0}
    return {
        "f1": sklearn.f1_score(labels, predicted, **samples),
        "precision": sklearn.precision_score(labels, predicted, **samples),
        "recall": sklearn.recall_score(labels, predicted, **samples),
        "acc": sklearn.jaccard_score(labels, predicted, **samples),
        "hamming_loss": sklearn.hamming_loss(labels, predicted),
        "one_error": np.mean(labels[np.arange(len(labels)), scores.argmax(1)] == 0),
        "f2_macro": sklearn.fbeta_score(labels, predicted, beta=2, average="macro", zero_division=0),
        "macro_ap": sklearn.average_precision_score(labels[:, present], scores[:, present]),
        "micro_ap": sklearn.average_precision_score(labels, scores, average="micro"),
    }
