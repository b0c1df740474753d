"""One HTML file that answers whether super-resolution helped, and shows all that the answer rests on.

It loads nothing: pictures, style and script are in it, and its content security policy forbids the rest.
The same input gives the same bytes.
"""

from base64 import b64encode
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image as Pillow

from srscene.compare import answer
from srscene.compare.answer import Contrast, Finding
from srscene.compare.cell import Cell, flat, mixed_threads, order
from srscene.compare.significance import FRAME
from srscene.compare.tables import title
from srscene.core.classes import CLASSES, short_label
from srscene.core.store import Image
from srscene.runtime.console import say
from srscene.runtime.files import size, whole_file

LARGEST = 2_000_000
"""Bytes of a page."""
QUALITIES = (92, 85, 75, 65)
"""Of WebP; the first is taken with which the page is small enough. Below the last, one would compare the
codec's sharpness: patches are left out instead.
"""
WIDTHS = (1600, 1200, 900)
"""Pixels of a figure; the first is taken with which it has at most LARGEST_FIGURE bytes, else the last."""
LARGEST_FIGURE = 200_000
LIKELY = 0.5
"""A class is listed beside a patch from this probability on."""


@dataclass(frozen=True)
class PatchPictures:
    """A test patch as each upscaler shows it."""

    name: str
    labels: Sequence[str]
    pictures: Mapping[str, Image]
    """(H, W, 3) uint8 RGB by upscaler, `none` and `truth` among them; of different sizes, of one field."""
    probabilities: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """(19,) in the order of CLASSES, by upscaler."""


@dataclass(frozen=True)
class Figure:
    """A figure as PNG or SVG, and in words."""

    title: str
    alt: str
    data: bytes


@dataclass(frozen=True)
class Page:
    """All that a page shows."""

    dataset: str
    cells: Sequence[Cell]
    contrasts: Sequence[Contrast]
    """Those of the declared family and any others, such as the truth against bicubic."""
    tables: Sequence[tuple[str, str]] = ()
    """Title and HTML, which stands as it is: `formats` has escaped it."""
    patches: Sequence[PatchPictures] = ()
    figures: Sequence[Figure] = ()
    missing: str = answer.NO_UPSCALER
    """Why there are no contrasts, where there are none."""
    most_bytes: int = LARGEST


def write(page: Page, path: Path) -> None:
    """Write the page to `path`; raises BadInput where the disk is full."""
    text = html(page)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    say(f"report: {path}, {size(len(text.encode()))}")


def html(page: Page) -> str:
    """Return the page, its pictures as good as `most_bytes` allow; patches are left out where none do."""
    template, numbers = _environment().get_template("page.html"), _numbers(page)

    @cache
    def made(patches: int, quality: int) -> str:
        shown = [_shown(patch, quality) for patch in page.patches[:patches]]
        return template.render(numbers, page=page, patches=shown)

    tries = [(len(page.patches), quality) for quality in QUALITIES]
    tries += [(count, QUALITIES[-1]) for count in range(len(page.patches) - 1, -1, -1)]
    first = bisect_left(tries, True, key=lambda each: len(made(*each).encode()) <= page.most_bytes)
    return made(*tries[min(first, len(tries) - 1)])


def _numbers(page: Page) -> dict[str, Any]:
    """Return all that the template shows besides patches."""
    found, cells = answer.families(page.contrasts), order(page.cells)
    asked = answer.asked(found)
    shared, own = _settings(cells)
    return {
        "answer": answer.answer(asked, page.dataset == "synthetic", page.missing),
        "shares": answer.shares(asked),
        "asked": asked,
        "trainings": all(finding.difference.any_training for finding in asked),
        "families": found,
        "undeclared": answer.undeclared(found.undeclared) if found.undeclared else "",
        "classes": list(zip(page.contrasts, map(_by_class, found.classes), strict=True)),
        "cells": list(zip(cells, own, strict=True)),
        "settings": shared,
        "grid": _grid(cells),
        "mixed_threads": mixed_threads(cells),
        "figures": [(figure, _figure(figure.data)) for figure in page.figures],
    }


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("srscene", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "title_of": title,
        "signed": answer.signed,
        "interval": answer.interval,
        "p": answer.probability,
        "value": lambda value: "–" if value is None else f"{value:.3f}",
        "digits": lambda value: f"{value:.6g}",
        "extent": _extent,
        "mark": lambda finding: finding.verdict.partition(",")[0].replace(" ", "-"),
    }
    return environment


def _by_class(findings: Sequence[Finding]) -> list[tuple[str, Finding, Finding]]:
    """Return class, difference in F2 and in average precision."""
    found = {finding.difference.measure: finding for finding in findings}
    return [
        (label, found[f"f2 {label}"], found[f"ap {label}"])
        for label in map(short_label, CLASSES)
        if f"f2 {label}" in found and f"ap {label}" in found
    ]


def _extent(findings: Sequence[Finding]) -> tuple[float, float]:
    """Return the axis that holds all intervals of a table, and 0."""
    found = [finding.difference for finding in findings]
    ends = [end for each in found for end in (each.low, each.high, each.difference) if end is not None]
    low, high = min([*ends, 0.0]), max([*ends, 0.0])
    return (low, high) if low < high else (-0.01, 0.01)


def _settings(cells: Sequence[Cell]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the parameters that all cells share, and of each cell the others; by name, as in params.yaml."""
    each = [flat(cell.setting) for cell in cells]
    first = each[0] if each else {}
    shared = {key: value for key, value in first.items() if all((key, value) in of.items() for of in each)}
    return shared, [{key: value for key, value in of.items() if key not in shared} for of in each]


def _grid(cells: Sequence[Cell]) -> tuple[list[str], list[tuple[str, list[list[int]]]]]:
    """Return the backbones, and for each upscaler the seeds with each of them."""
    backbones = list(dict.fromkeys(cell.backbone for cell in cells))
    seeds: dict[tuple[str, str], list[int]] = {}
    for cell in cells:
        seeds.setdefault((cell.sr, cell.backbone), []).append(cell.seed)
    upscalers = dict.fromkeys(cell.sr for cell in cells)
    return backbones, [
        (sr, [sorted(seeds.get((sr, backbone), ())) for backbone in backbones]) for sr in upscalers
    ]


def _shown(patch: PatchPictures, quality: int) -> dict[str, Any]:
    names = list(patch.pictures)
    labels = [short_label(label) for label in patch.labels]
    rows = [
        (
            short_label(name),
            short_label(name) in labels,
            [float(of[k]) for of in patch.probabilities.values()],
        )
        for k, name in enumerate(CLASSES)
    ]
    return {
        "name": patch.name,
        "labels": labels,
        "pictures": [
            (name, len(image), _webp(Pillow.fromarray(image), quality=quality))
            for name, image in patch.pictures.items()
        ],
        "left": answer.CONTROL if answer.CONTROL in names else names[0],
        "right": next((name for name in names if name not in FRAME), names[-1]),
        "upscalers": list(patch.probabilities),
        "rows": [row for row in rows if row[2] and (row[1] or max(row[2]) >= LIKELY)],
    }


def _figure(data: bytes) -> str:
    """Return a figure's data URI: SVG as it is, PNG as WebP, without loss where that is smaller."""
    if data.lstrip()[:1] == b"<":
        return _uri("svg+xml", data)
    image, uri = Pillow.open(BytesIO(data)).convert("RGB"), ""
    for width in WIDTHS:
        image.thumbnail((width, 10 * width))
        uri = min(_webp(image, quality=80), _webp(image, lossless=True, quality=30), key=len)
        if len(uri) <= LARGEST_FIGURE:
            break
    return uri


def _webp(image: Pillow.Image, **options: Any) -> str:
    stream = BytesIO()
    image.save(stream, "WEBP", method=2, **options)
    return _uri("webp", stream.getvalue())


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"
