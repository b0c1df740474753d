"""How JSON and CSV are written: the same values give the same bytes."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from srscene.runtime.files import whole_file


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, keys in their order; raises ValueError for NaN and infinity."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write comma-separated values, a line each, ended by a line feed alone."""
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
