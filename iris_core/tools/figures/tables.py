"""The table of 26 games with its aggregates, as LaTeX, Markdown, HTML and a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iris_core.envs.atari_100k import REFERENCE
from iris_core.plotting.palette import BLUE, FAINT, INK
from iris_core.tools.figures.style import WIDTH, cost_notes, looks, note, styled
from iris_core.tools.scores.scores import run_scores, score_matrix
from iris_core.tools.scores.statistics import Estimates, superhuman

BEST, SECOND = "best", "second"
TINTS = {BEST: 0.32, SECOND: 0.12}
MINUS = "\N{MINUS SIGN}"
EPSILON, DELTA = "\N{GREEK SMALL LETTER EPSILON}", "\N{GREEK CAPITAL LETTER DELTA}"
SPECIAL = {"_": r"\_", "%": r"\%", "&": r"\&", "\N{EN DASH}": "--"}
LATEX = str.maketrans(SPECIAL | {EPSILON: r"$\epsilon$", DELTA: r"$\Delta$"})
AGGREGATES = ("mean", "median", "IQM", "optimality gap")  # of the last, less is better


class Cell(NamedTuple):
    """A number as it is shown. rank: BEST, SECOND or "" among the algorithms."""

    text: str
    rank: str = ""

    def written(self, forms: Mapping[str, str], minus: str) -> str:
        """In the form of its rank, with a minus sign of its own."""
        return forms[self.rank].format(self.text.replace("-", minus))


Row = tuple[str, list[Cell]]  # its name, and its cells


@dataclass(frozen=True)
class ScoreTable:
    """header: column names. costs: of own runs, a line each, where there are some."""

    header: list[str]
    games: list[Row]
    aggregates: list[Row]
    costs: str = ""


def score_table(
    scores: pd.DataFrame, estimates: Estimates, algorithms: Sequence[str]
) -> ScoreTable:
    """Mean scores of every game beside random play and humans, then the aggregates.

    Best and second best are ranked among the algorithms, as the numbers are shown.
    ConfigError for an algorithm that is unknown or lacks a game.
    """
    look = looks(algorithms)
    rows = []
    for game, reference in REFERENCE.items():
        means = [run_scores(scores, name, game).mean() for name in algorithms]
        known = [Cell(f"{value:.1f}") for value in reference]
        rows.append((game, known + ranked(means, 1)))
    over = [superhuman(score_matrix(scores, name)) for name in algorithms]
    aggregates = [("Superhuman games", [Cell("0"), Cell("N/A"), *ranked(over, 0)])]
    for statistic in AGGREGATES:
        less = statistic == "optimality gap"
        values = estimates.aggregates["value"].xs(statistic, level="name")
        ends = [Cell("0.000"), Cell("1.000")]
        cells = ranked([values[name] for name in algorithms], 3, less)
        title = statistic[0].upper() + statistic[1:]
        aggregates.append((title, [*(ends[::-1] if less else ends), *cells]))
    header = ["Game", "Random", "Human", *(look[name].label for name in algorithms)]
    return ScoreTable(header, rows, aggregates, cost_notes(look).lstrip())


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
        texts = [cell.written(form, "-") for cell in cells]
        lines.append("| " + " | ".join([name, *texts]) + " |")
    notes = ["Best in bold, second best in italics.", *table.costs.splitlines()]
    return "\n".join([*lines, "", "  \n".join(notes), ""])


def to_latex(table: ScoreTable) -> str:
    """A tabular for booktabs; best in bold, second underlined."""
    form = {BEST: r"\textbf{{{}}}", SECOND: r"\underline{{{}}}", "": "{}"}
    columns = len(table.header)
    lines = [
        r"% \usepackage{booktabs}; best in bold, second best underlined",
        r"\begin{tabular}{l" + "r" * (columns - 1) + "}",
        r"\toprule",
        " & ".join(name.translate(LATEX) for name in table.header) + r" \\",
    ]
    for rows in (table.games, table.aggregates):
        lines.append(r"\midrule")
        for name, cells in rows:
            texts = [cell.written(form, "$-$") for cell in cells]
            lines.append(" & ".join([name, *texts]) + r" \\")
    lines.append(r"\bottomrule")
    for text in table.costs.translate(LATEX).splitlines():
        below = rf"\multicolumn{{{columns}}}{{l}}{{\footnotesize {text}}} \\"
        lines.append(below)
    return "\n".join([*lines, r"\end{tabular}", ""])


def to_html(table: ScoreTable) -> str:
    """A table element; best in bold, second underlined."""
    form = {BEST: "<b>{}</b>", SECOND: "<u>{}</u>", "": "{}"}
    lines = ["<table>", "<thead><tr>"]
    lines += [f"<th>{escape(name)}</th>" for name in table.header]
    lines.append("</tr></thead>")
    for rows in (table.games, table.aggregates):
        lines.append("<tbody>")
        for name, cells in rows:
            texts = [cell.written(form, MINUS) for cell in cells]
            numbers = "".join(f'<td align="right">{text}</td>' for text in texts)
            lines.append(f"<tr><th align='left'>{escape(name)}</th>{numbers}</tr>")
        lines.append("</tbody>")
    notes = ["Best in bold, second best underlined.", *table.costs.splitlines()]
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
    columns = len(table.header) - 1
    size = (max(WIDTH, 1.2 + 0.72 * columns), 0.165 * (len(rows) + 2))
    figure = Figure(figsize=size)
    ax = figure.subplots()
    ax.set_axis_off()
    ax.set(xlim=(0, 1), ylim=(len(rows) + 1, -0.6))
    first = 1.2 / figure.get_figwidth()  # where the column of names ends
    width = (1 - first) / columns
    text: dict[str, Any] = {"va": "center", "fontsize": 7}
    ax.text(0, 0, table.header[0], weight="bold", **text)
    for column, name in enumerate(table.header[1:], start=1):
        x = first + width * column
        ax.text(x, 0, name, ha="right", weight="bold", **text)
    for number, (name, cells) in enumerate(rows):
        y = number + 1 + (0.2 if number >= len(table.games) else 0)
        ax.text(0, y, name, **text)
        for column, cell in enumerate(cells, start=1):
            right = first + width * column
            if cell.rank:
                corner, tint = (right - width * 0.93, y - 0.46), TINTS[cell.rank]
                box = Rectangle(
                    corner, width * 0.97, 0.92, color=BLUE, alpha=tint, lw=0
                )
                ax.add_patch(box)
            weight = "bold" if cell.rank == BEST else "normal"
            colour = INK if column > 2 else FAINT
            shown = cell.text.replace("-", MINUS)
            ax.text(right, y, shown, ha="right", weight=weight, color=colour, **text)
    for y in (0.5, len(table.games) + 0.6):  # below the header, above the aggregates
        ax.axhline(y, color=INK, linewidth=0.7)
    note(
        figure,
        "Best: bold on the darker tint; second best: the lighter.\n"
        f"{table.costs}{remark}",
    )
    return figure
