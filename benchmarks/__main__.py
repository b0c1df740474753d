"""Us and the others, side by side in one run: python -m benchmarks [TOPIC …] [--quick]

What becomes of damaged inputs: python -m benchmarks robustness [--n 10000]
And of stages killed at random moments: python -m benchmarks kills [--n 100]
Whether intervals hold the truth: python -m benchmarks statistics [--n 1000]
Every stage at full size, with tiny images: python -m benchmarks scale [--n 519284]
Hours and bytes of the paper's grid, computed: python -m benchmarks plan [--n 3]
How small codecs make the images of a store, and how fast: python -m benchmarks codec [--n 6]
"""

from importlib import import_module
from typing import Annotated

import typer

from benchmarks.common import Row, show

TOPICS = ("ingest", "upscaling", "reading", "training", "seesr")
LONG = ("scene",)
"""Measured where it is asked for."""
ALONE = {"robustness": 10_000, "kills": 100, "statistics": 1_000, "codec": 6, "scale": 519_284, "plan": 3}
"""What is no comparison and runs by itself; so many attempts, patches or seeds."""


def main(
    topics: Annotated[list[str] | None, typer.Argument(help=f"any of: {', '.join(TOPICS + LONG)}")] = None,
    quick: Annotated[bool, typer.Option(help="fewer rounds and smaller inputs")] = False,
    n: Annotated[
        int | None,
        typer.Option(help="of what stands alone: inputs, kills, repetitions, images, patches or seeds"),
    ] = None,
) -> None:
    """Measure the topics (all by default) on the device at hand and print one Markdown table."""
    if topics and topics[0] in ALONE and len(topics) == 1:
        import_module(f"benchmarks.{topics[0]}").run(ALONE[topics[0]] if n is None else n)
        return
    unknown = set(topics or ()) - set(TOPICS + LONG)
    if unknown:
        raise typer.BadParameter(
            f"no topic {', '.join(sorted(unknown))}; choose from {', '.join(TOPICS + LONG)}"
        )
    rows: list[Row] = []
    for topic in topics or TOPICS:
        rows += import_module(f"benchmarks.{topic}").run(quick)
    show(rows)


if __name__ == "__main__":
    typer.run(main)
