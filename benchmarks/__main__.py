"""Us and the others, side by side in one run: python -m benchmarks [TOPIC …] [--quick]"""

from importlib import import_module
from typing import Annotated

import typer

from benchmarks.common import Row, show

TOPICS = ("ingest", "upscaling", "reading", "training", "seesr")


def main(
    topics: Annotated[list[str] | None, typer.Argument(help=f"any of: {', '.join(TOPICS)}")] = None,
    quick: Annotated[bool, typer.Option(help="fewer rounds and smaller inputs")] = False,
) -> None:
    """Measure the topics (all by default) on the device at hand and print one Markdown table."""
    unknown = set(topics or ()) - set(TOPICS)
    if unknown:
        raise typer.BadParameter(f"no topic {', '.join(sorted(unknown))}; choose from {', '.join(TOPICS)}")
    rows: list[Row] = []
    for topic in topics or TOPICS:
        rows += import_module(f"benchmarks.{topic}").run(quick)
    show(rows)


if __name__ == "__main__":
    typer.run(main)
