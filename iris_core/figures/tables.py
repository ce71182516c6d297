"""The table of 26 games with its aggregates, as LaTeX, Markdown, HTML and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iris_core.envs.atari_100k import REFERENCE
from iris_core.figures.style import BLUE, FAINT, INK, WIDTH, looks, note, scales, styled
from iris_core.tools.scores.scores import run_scores, score_matrix
from iris_core.tools.scores.statistics import Estimates, superhuman

BEST, SECOND = "best", "second"
MINUS = "\N{MINUS SIGN}"
AGGREGATES = {  # statistic -> its name in the table, and whether less is better
    "mean": ("Mean", False),
    "median": ("Median", False),
    "IQM": ("IQM", False),
    "optimality gap": ("Optimality gap", True),
}


@dataclass(frozen=True)
class Cell:
    """A number as it is shown. rank: BEST, SECOND or "" among the algorithms."""

    text: str
    rank: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """header: column names. games and aggregates: rows, a name and its cells. scales:
    what own runs cost, a line each, where there are some."""

    header: list[str]
    games: list[tuple[str, list[Cell]]]
    aggregates: list[tuple[str, list[Cell]]]
    scales: str = ""


def score_table(
    scores: pd.DataFrame, estimates: Estimates, algorithms: Sequence[str]
) -> ScoreTable:
    """Mean scores of every game beside random play and humans, then the aggregates.

    Best and second best are ranked among the algorithms, as the numbers are shown.
    ConfigError for an algorithm that is unknown or lacks a game.
    """
    look = looks(list(algorithms))
    rows = []
    for game, reference in REFERENCE.items():
        means = [run_scores(scores, name, game).mean() for name in algorithms]
        known = [Cell(f"{value:.1f}") for value in reference]
        rows.append((game, known + ranked(means, 1)))
    over = [superhuman(score_matrix(scores, name)) for name in algorithms]
    aggregates = [("Superhuman games", [Cell("0"), Cell("N/A"), *ranked(over, 0)])]
    for statistic, (title, less) in AGGREGATES.items():
        values = estimates.aggregates["value"].xs(statistic, level="name")
        ends = (
            (Cell("1.000"), Cell("0.000")) if less else (Cell("0.000"), Cell("1.000"))
        )
        cells = ranked([values[name] for name in algorithms], 3, less)
        aggregates.append((title, [*ends, *cells]))
    header = ["Game", "Random", "Human", *(look[name].label for name in algorithms)]
    return ScoreTable(header, rows, aggregates, scales(look).lstrip())


def ranked(
    values: Sequence[float], decimals: int, less_is_better: bool = False
) -> list[Cell]:
    """Numbers with the best and second best marked; equal ones share their rank."""
    texts = [f"{value:.{decimals}f}" for value in values]
    order = sorted({float(text) for text in texts}, reverse=not less_is_better)
    ranks = dict(zip(order, (BEST, SECOND), strict=False))
    return [Cell(text, ranks.get(float(text), "")) for text in texts]


def to_markdown(table: ScoreTable) -> str:
    """Best in bold, second in italics."""
    form = {BEST: "**{}**", SECOND: "*{}*", "": "{}"}
    lines = ["| " + " | ".join(table.header) + " |"]
    lines.append("| --- |" + " ---: |" * (len(table.header) - 1))
    for name, cells in (*table.games, *table.aggregates):
        texts = [form[cell.rank].format(cell.text) for cell in cells]
        lines.append("| " + " | ".join([name, *texts]) + " |")
    notes = ["Best in bold, second best in italics.", *table.scales.splitlines()]
    return "\n".join([*lines, "", "  \n".join(notes), ""])


def to_latex(table: ScoreTable) -> str:
    """A tabular for booktabs; best in bold, second underlined."""
    form = {BEST: r"\textbf{{{}}}", SECOND: r"\underline{{{}}}", "": "{}"}

    def line(name: str, texts: Sequence[str]) -> str:
        return " & ".join([name, *texts]) + r" \\"

    def lines(rows: list[tuple[str, list[Cell]]]) -> list[str]:
        return [
            line(name, [form[c.rank].format(c.text.replace("-", "$-$")) for c in cells])
            for name, cells in rows
        ]

    def below(text: str) -> str:
        return rf"\multicolumn{{{len(header)}}}{{l}}{{\footnotesize {text}}} \\"

    header = [latex_text(name) for name in table.header]
    return "\n".join(
        [
            r"% \usepackage{booktabs}; best in bold, second best underlined",
            r"\begin{tabular}{l" + "r" * (len(header) - 1) + "}",
            r"\toprule",
            line(header[0], header[1:]),
            r"\midrule",
            *lines(table.games),
            r"\midrule",
            *lines(table.aggregates),
            r"\bottomrule",
            *(below(latex_text(text)) for text in table.scales.splitlines()),
            r"\end{tabular}",
            "",
        ]
    )


def latex_text(text: str) -> str:
    """A label without the characters that LaTeX reads otherwise."""
    for plain, command in {
        "_": r"\_",
        "%": r"\%",
        "&": r"\&",
        "\N{GREEK SMALL LETTER EPSILON}": r"$\epsilon$",
        "\N{GREEK CAPITAL LETTER DELTA}": r"$\Delta$",
        "\N{EN DASH}": "--",
    }.items():
        text = text.replace(plain, command)
    return text


def to_html(table: ScoreTable) -> str:
    """A table element; best in bold, second underlined."""
    form = {BEST: "<b>{}</b>", SECOND: "<u>{}</u>", "": "{}"}
    lines = ["<table>", "<thead><tr>"]
    lines += [f"<th>{escape(name)}</th>" for name in table.header]
    lines.append("</tr></thead>")
    for rows in (table.games, table.aggregates):
        lines.append("<tbody>")
        for name, cells in rows:
            shown = [form[c.rank].format(c.text.replace("-", MINUS)) for c in cells]
            numbers = "".join(f'<td align="right">{text}</td>' for text in shown)
            lines.append(f"<tr><th align='left'>{escape(name)}</th>{numbers}</tr>")
        lines.append("</tbody>")
    notes = ["Best in bold, second best underlined.", *table.scales.splitlines()]
    lines += ["</table>", f"<p>{'<br>'.join(map(escape, notes))}</p>", ""]
    return "\n".join(lines)


RENDER: dict[str, Callable[[ScoreTable], str]] = {
    ".md": to_markdown,
    ".tex": to_latex,
    ".html": to_html,
}


@styled
def draw_table(table: ScoreTable, remark: str = "") -> Figure:
    """The table as a picture: best in bold on a tint, second on a lighter one."""
    rows = [*table.games, *table.aggregates]
    height = 0.165 * (len(rows) + 2)
    columns = len(table.header) - 1
    figure = Figure(figsize=(max(WIDTH, 1.2 + 0.72 * columns), height))
    ax = figure.subplots()
    ax.set_axis_off()
    first = 1.2 / figure.get_figwidth()  # where the column of names ends
    width = (1 - first) / columns
    size = 7
    gap = len(table.games) + 0.6  # above the aggregates
    ax.set(xlim=(0, 1), ylim=(len(rows) + 1, -0.6))
    for column, text in enumerate(table.header):
        x = 0 if column == 0 else first + width * column
        side = "left" if column == 0 else "right"
        ax.text(x, 0, text, ha=side, va="center", fontsize=size, weight="bold")
    for number, (name, cells) in enumerate(rows):
        y = number + 1 + (0.2 if number >= len(table.games) else 0)
        ax.text(0, y, name, va="center", fontsize=size)
        for column, cell in enumerate(cells, start=1):
            right = first + width * column
            if cell.rank:
                tint = 0.32 if cell.rank == BEST else 0.12
                box = (right - width * 0.93, y - 0.46)
                ax.add_patch(
                    Rectangle(box, width * 0.97, 0.92, color=BLUE, alpha=tint, lw=0)
                )
            ax.text(
                right,
                y,
                cell.text.replace("-", MINUS),
                ha="right",
                va="center",
                fontsize=size,
                weight="bold" if cell.rank == BEST else "normal",
                color=INK if column > 2 else FAINT,
            )
    for y in (0.5, gap):
        ax.axhline(y, color=INK, linewidth=0.7)
    note(
        figure,
        "Best: bold on the darker tint; second best: the lighter.\n"
        f"{table.scales}{remark}",
    )
    return figure
