"""A table for a terminal, for Markdown, LaTeX (booktabs), HTML, and as CSV with all digits."""

import csv
import io
from collections.abc import Callable, Iterable
from html import escape

from rich import table as rich

from srscene.compare.tables import Entry, Row, Table, printed, title

BESIDE = 7
"""Columns of a terminal's table in which a deviation has room beside its mean."""


def markdown(table: Table) -> str:
    head = [*map(title, table.key_names), "", *map(title, table.columns)]
    lines = [
        f"*{table.caption}*",
        "",
        _row(head),
        _row(["---"] * (len(table.key_names) + 1) + ["--:"] * len(table.columns)),
    ]
    for row in table.rows:
        lines.append(_row([*_keys(row), row.source, *(_text(entry, "**{}**") for entry in row.entries)]))
    return "\n".join(lines) + "\n"


def _row(parts: list[str]) -> str:
    return f"| {' | '.join(part.replace('|', chr(92) + '|') for part in parts)} |"


def latex(table: Table) -> str:
    columns = "l" * (len(table.key_names) + 1) + "r" * len(table.columns)
    head = [*map(title, table.key_names), "", *map(title, table.columns)]
    lines = [
        r"% needs \usepackage{booktabs,adjustbox}",
        r"\begin{table}",
        rf"\caption{{{_tex(table.caption)}}}",
        r"\begin{adjustbox}{max width=\linewidth, max totalheight=0.85\textheight}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line(map(_tex, head)),
        r"\midrule",
    ]
    for row in table.rows:
        entries = [
            _text(entry, r"\textbf{{{}}}").replace("±", r"$\pm$").replace("–", "--") for entry in row.entries
        ]
        lines.append(_line([*map(_tex, [*_keys(row), row.source]), *entries]))
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{adjustbox}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _tex(text: str) -> str:
    special = {char: rf"\{char}" for char in "&%$#_{}"} | {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "±": r"$\pm$", "×": r"$\times$", "–": "--",
    }  # fmt: skip
    return "".join(special.get(char, char) for char in text)


def _line(parts: Iterable[str]) -> str:
    return " & ".join(parts) + r" \\"


def html(table: Table) -> str:
    """Return a fragment; cells carry their value in `data-value`, to sort by."""
    head = "".join(
        f'<th scope="col">{escape(title(name))}</th>' for name in (*table.key_names, "source", *table.columns)
    )
    body = []
    for row in table.rows:
        keys = "".join(f'<th scope="row">{escape(key)}</th>' for key in _keys(row))
        entries = "".join(map(_html_entry, row.entries))
        body.append(f'<tr class="{escape(row.source)}">{keys}<td>{escape(row.source)}</td>{entries}</tr>')
    return (
        f'<table class="results" id="{escape(table.name)}">\n<caption>{escape(table.caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody>\n</table>\n"
    )


def _html_entry(entry: Entry) -> str:
    value = "" if entry.value is None else repr(entry.value)
    return f'<td data-value="{value}">{_text(entry, "<strong>{}</strong>")}</td>'


def csv_text(table: Table) -> str:
    """Return a line for each number, with all digits; a hole has no value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.key_names, "source", "column", "value", "sd", "n", "best"])
    for row in table.rows:
        for column, entry in zip(table.columns, row.entries, strict=True):
            value, sd = ("" if number is None else repr(number) for number in (entry.value, entry.sd))
            writer.writerow([*row.keys, row.source, column, value, sd, entry.n or "", int(entry.best)])
    return out.getvalue()


def terminal(table: Table) -> rich.Table:
    """Return the table for rich's console; where columns are many, deviations stand below their means."""
    beside = len(table.columns) <= BESIDE
    shown = rich.Table(
        title=table.caption,
        title_justify="left",
        box=rich.box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1 if beside else 0),
    )
    for name in (*table.key_names, ""):
        shown.add_column(title(name))
    for name in table.columns:
        heading = title(name) if beside else title(name).replace(" ", "\n")
        shown.add_column(heading, justify="right", no_wrap=True)
    before = None
    for row in table.rows:
        entries = [_text(entry, "[bold]{}[/bold]") for entry in row.entries]
        entries = entries if beside else [text.replace(" ±", "\n±") for text in entries]
        keys = _keys(row) if row.keys != before else [""] * len(row.keys)
        shown.add_row(*keys, row.source, *entries, style="dim" if row.source == "paper" else "")
        before = row.keys
    return shown


def _keys(row: Row) -> list[str]:
    return [title(key) for key in row.keys]


def _text(entry: Entry, bold: str) -> str:
    value = printed(entry.value)
    if entry.best:
        value = bold.format(value)
    return value if entry.sd is None else f"{value} ±{entry.sd:.3f}"


WRITERS: dict[str, Callable[[Table], str]] = {"md": markdown, "tex": latex, "html": html, "csv": csv_text}
"""By a file's ending."""
