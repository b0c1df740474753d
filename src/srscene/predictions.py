"""The file between a classifier and its evaluation: probabilities and true labels of val and test."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from srscene.console import BadInput
from srscene.labels import CLASSES
from srscene.store import Split


class Predictions(NamedTuple):
    """probabilities (N, 19) float32 in 0..1, labels (N, 19) uint8, names of the N patches."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.uint8]
    names: list[str]


def write(path: Path, splits: dict[Split, Predictions], attributes: dict[str, Any]) -> None:
    """Write all splits, an empty one too; the same input gives the same bytes."""
    temporary = path.with_suffix(".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(temporary, "w", libver=("v110", "v110")) as file:
        file.attrs["classes"] = json.dumps(CLASSES)
        file.attrs["attributes"] = json.dumps(attributes, sort_keys=True)
        for split, predictions in splits.items():
            group = file.create_group(split)
            names = np.array(predictions.names, dtype="S") if predictions.names else np.empty(0, "S1")
            group.create_dataset("probabilities", data=predictions.probabilities, track_times=False)
            group.create_dataset("labels", data=predictions.labels, track_times=False)
            group.create_dataset("names", data=names, track_times=False)
    os.replace(temporary, path)


def read(path: Path) -> tuple[dict[str, Predictions], dict[str, Any]]:
    """Return predictions by split, and the attributes; raises BadInput when the file is damaged."""
    try:
        with h5py.File(path, "r") as file:
            splits = {
                split: Predictions(
                    group["probabilities"][:],
                    group["labels"][:],
                    [name.decode() for name in group["names"][:]],
                )
                for split, group in file.items()
            }
            return splits, json.loads(file.attrs["attributes"])
    except (OSError, KeyError) as error:
        raise BadInput(
            f"{path}: damaged or missing ({error}); run `dvc repro predict` or `dvc pull`"
        ) from None
