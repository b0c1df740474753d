"""srscene: what DVC does not do."""

import sys

import typer

from srscene.check import check as check_params
from srscene.check import surroundings
from srscene.core.console import BadInput, say

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Does super-resolving satellite patches before classification help? `dvc repro` runs the pipeline."""


@app.command()
def check() -> None:
    """Check where you are and all of params.yaml, in a second, before anything slow starts."""
    surroundings()
    values = check_params()
    chosen = ", ".join(f"{key} {values[key]}" for key in ("dataset", "sr", "backbone", "seed"))
    say(f"params.yaml is sound: {chosen}")


def run() -> None:
    """Run the command line; bad input ends it with one line."""
    try:
        app()
    except BadInput as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    run()
