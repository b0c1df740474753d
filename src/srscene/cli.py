"""srscene: what DVC does not do."""

import sys
from typing import Annotated

import typer

from srscene import leftovers
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


@app.command()
def scratch(
    remove: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Remove this work.")] = None,
    remove_all: Annotated[bool, typer.Option("--remove-all", help="Remove all that no process has.")] = False,
) -> None:
    """List the work that stages keep in .scratch, to go on with after a kill; remove some on request."""
    found = leftovers.leftovers()
    if remove or remove_all:
        leftovers.remove_work(found if remove_all else leftovers.with_keys(found, remove or []))
    else:
        leftovers.show(found)


def run() -> None:
    """Run the command line; bad input ends it with one line."""
    try:
        app()
    except BadInput as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    run()
