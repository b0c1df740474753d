"""Us and the others, side by side in one run: python -m benchmarks [TOPIC …] [--quick]

And what becomes of damaged inputs: python -m benchmarks robustness [--n 10000]
"""

from importlib import import_module
from typing import Annotated

import typer

from benchmarks.common import Row, show

TOPICS = ("ingest", "upscaling", "reading", "training", "seesr")


def main(
    topics: Annotated[list[str] | None, typer.Argument(help=f"any of: {', '.join(TOPICS)}")] = None,
    quick: Annotated[bool, typer.Option(help="fewer rounds and smaller inputs")] = False,
    n: Annotated[int, typer.Option(help="damaged inputs, of `robustness`, which runs by itself")] = 10_000,
) -> None:
    """Measure the topics (all by default) on the device at hand and print one Markdown table."""
    if topics == ["robustness"]:
        import_module("benchmarks.robustness").run(n)
        return
    unknown = set(topics or ()) - set(TOPICS)
    if unknown:
        raise typer.BadParameter(f"no topic {', '.join(sorted(unknown))}; choose from {', '.join(TOPICS)}")
    rows: list[Row] = []
    for topic in topics or TOPICS:
        rows += import_module(f"benchmarks.{topic}").run(quick)
    show(rows)


if __name__ == "__main__":
    typer.run(main)
