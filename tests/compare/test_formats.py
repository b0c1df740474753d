"""A table says the same in every format, and each format is one that its readers take."""

import csv
import io
import re
from xml.etree import ElementTree

import pytest
from rich.console import Console

from srscene.compare import formats
from srscene.compare.tables import Entry, Row, Table, printed, table1, table2, title
from srscene.sr.common.names import upscalers
from tests.compare.test_tables import papers_cells, seeds_of

ODD = Table(
    "odd",
    "50 % & more: a_b #1 {x} ~ ^ $ \\ <b> ± ×",
    ("label",),
    ("a|b", "<c>"),
    (
        Row(
            ("Natural grassland & sparsely vegetated areas",), "ours", (Entry(0.5, 0.1, 3, True), Entry(None))
        ),
    ),
)
TABLES = {
    "table1": table1(papers_cells()[3:]),
    "table1 of seeds": table1(seeds_of(papers_cells(), 2)),
    "table2": table2(papers_cells()[:15], "resnet152"),
    "table2 of seeds": table2(seeds_of(papers_cells(), 3), "resnet152"),
    "empty": table1([]),
    "odd": ODD,
}


@pytest.fixture(params=list(TABLES))
def table(request: pytest.FixtureRequest) -> Table:
    return TABLES[request.param]


Numbers = list[list[tuple[str, bool]]]
"""By row: each entry's text and whether it is bold."""


def expected(table: Table) -> Numbers:
    return [
        [
            (printed(one.value) + ("" if one.sd is None else f" ±{one.sd:.3f}"), one.best)
            for one in row.entries
        ]
        for row in table.rows
    ]


def unmarked(text: str, mark: str) -> tuple[str, bool]:
    bare = re.sub(mark, r"\1", text)
    return bare, bare != text


def test_markdown(table: Table) -> None:
    _caption, _, head, rule, *lines = formats.markdown(table).splitlines()
    width = len(table.key_names) + 1
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in (head, rule, *lines)]
    assert {len(row) for row in rows} == {width + len(table.columns)}
    assert [
        [unmarked(text.strip(), r"\*\*(.*)\*\*") for text in row[width:]] for row in rows[2:]
    ] == expected(table)


def test_latex(table: Table) -> None:
    text = formats.latex(table)
    bare = re.sub(r"\\[&%$#_{}\\]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.isascii()
    begun, ended = (re.findall(rf"\\{word}\{{(\w+)\}}", text) for word in ("begin", "end"))
    assert begun == ended[::-1] == ["table", "adjustbox", "tabular"]
    spec = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert spec
    lines = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert len(lines) == 1 + len(table.rows)
    parts = [re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in lines]
    assert {len(line) for line in parts} == {len(spec[1])}
    width = len(table.key_names) + 1
    assert [
        [
            unmarked(part.strip().replace("--", "–").replace(r"$\pm$", "±"), r"\\textbf\{(.*)\}")
            for part in line[width:]
        ]
        for line in parts[1:]
    ] == expected(table)


def test_latex_escapes_what_has_a_meaning() -> None:
    text = formats.latex(ODD)
    assert (
        r"\caption{50 \% \& more: a\_b \#1 \{x\} \textasciitilde{} \textasciicircum{} \$ "
        r"\textbackslash{} <b> $\pm$ $\times$}"
    ) in text
    assert r"Natural grassland \& sparsely vegetated areas & ours & \textbf{0.500} $\pm$0.100 & -- \\" in text


def test_html_is_well_formed_and_sortable(table: Table) -> None:
    root = ElementTree.fromstring(formats.html(table))
    assert [child.tag for child in root] == ["caption", "thead", "tbody"]
    assert root.findtext("caption") == table.caption
    rows = root.findall("tbody/tr")
    assert [row.get("class") for row in rows] == [row.source for row in table.rows]
    assert {len(row) for row in [*rows, *root.findall("thead/tr")]} == {
        len(table.key_names) + 1 + len(table.columns)
    }
    cells = [row.findall("td")[1:] for row in rows]
    assert [[("".join(one.itertext()), one.find("strong") is not None) for one in row] for row in cells] == (
        expected(table)
    )
    assert [[one.get("data-value") for one in row] for row in cells] == [
        ["" if one.value is None else repr(one.value) for one in row.entries] for row in table.rows
    ]


def test_csv_has_every_number_with_all_its_digits(table: Table) -> None:
    lines = list(csv.DictReader(io.StringIO(formats.csv_text(table))))
    entries = [
        (row.keys, row.source, column, entry)
        for row in table.rows
        for column, entry in zip(table.columns, row.entries, strict=True)
    ]
    assert len(lines) == len(entries)
    for line, (keys, source, column, entry) in zip(lines, entries, strict=True):
        assert tuple(line[name] for name in table.key_names) == keys
        assert (line["source"], line["column"]) == (source, column)
        assert (float(line["value"]) if line["value"] else None) == entry.value
        assert (float(line["sd"]) if line["sd"] else None) == entry.sd
        assert (int(line["n"] or 0), line["best"] == "1") == (entry.n, entry.best)


@pytest.mark.parametrize("name", list(TABLES))
def test_100_columns_of_a_terminal_hold_every_number(name: str) -> None:
    table = TABLES[name]
    console = Console(width=100, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(formats.terminal(table))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert "…" not in plain
    assert max(map(len, plain.splitlines())) <= 100
    number = r"±?\d\.\d{3,4}|–(?!\d)"
    body = plain.split("───")[-1]
    in_table = [(one.removeprefix("±"), one[0] == "±") for one in re.findall(number, body)]
    given = [(printed(one.value), False) for row in table.rows for one in row.entries] + [
        (f"{one.sd:.3f}", True) for row in table.rows for one in row.entries if one.sd is not None
    ]
    assert sorted(in_table) == sorted(given)
    bold = re.findall(r"\x1b\[1(?:;2)?m([\d.]+)", shown)
    assert sorted(bold) == sorted(printed(one.value) for row in table.rows for one in row.entries if one.best)


def test_the_terminal_names_what_a_pair_of_rows_is_of_once() -> None:
    console = Console(width=100, file=io.StringIO())
    console.print(formats.terminal(TABLES["table2"]))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("Pastures") == 1


def test_eight_upscalers_fit_the_terminal_with_deviations() -> None:
    cells = seeds_of(papers_cells(), 2)
    more = [one for one in cells if one.sr == "hat" and one.backbone == "resnet152"]
    wide = table2(
        [
            *cells,
            *(type(one)(**{**vars(one), "sr": sr}) for one in more for sr in set(upscalers()) - {"hat"}),
        ],
        "resnet152",
    )
    console = Console(width=100, file=io.StringIO())
    console.print(formats.terminal(wide))
    assert isinstance(console.file, io.StringIO)
    assert len(wide.columns) == 8
    assert "…" not in console.file.getvalue()
    assert all(title(sr).split()[0] in console.file.getvalue() for sr in upscalers())
