"""Tables as CSV: read as text and checked, written so that no cell is a formula."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from iris_core.config.setting import ConfigError
from iris_core.runtime.files import read_text

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet computes


def read_cells(text: str, path: Path) -> tuple[list[str], list[list[str]]]:
    """The names of a table's columns and its rows, whatever their lengths."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise ConfigError(f"{path} is no table: {error}") from error
    if not rows:
        raise ConfigError(f"{path} is no table: it is empty")
    header, *rows = [[as_read(cell) for cell in row] for row in rows]
    if len(set(header)) < len(header):
        raise ConfigError(f"{path} has two columns of one name, among {header!r:.200}")
    return header, rows


def parse_rows(text: str, path: Path) -> list[dict[str, str]]:
    """The rows of a table by column; ConfigError for one of another length."""
    header, rows = read_cells(text, path)
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ConfigError(
                f"{path}, line {line}: {len(row)} cells, but {len(header)} columns"
            )
    return [dict(zip(header, row, strict=True)) for row in rows]


def number(cell: str, where: str, empty: float = math.nan) -> float:
    """The number in a cell; ConfigError if it holds something else."""
    try:
        return float(cell) if cell else empty
    except ValueError:
        raise ConfigError(f"{where} is {cell!r:.80}, wanted a number") from None


def read_metrics(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A run's metrics.csv as numbers, nan where nothing was measured.

    ConfigError unless it has these columns, and epochs, steps and minutes throughout.
    """
    text = read_text(path)
    header, rows = read_cells(text, path)[0], parse_rows(text, path)
    if missing := sorted(set(columns) - set(header)):
        raise ConfigError(f"{path} has no column {', '.join(missing)}")
    table = {
        name: [
            number(row[name], f"{path}, line {line}: {name}")
            for line, row in enumerate(rows, start=2)
        ]
        for name in header
    }
    for name in {"epoch", "env_steps", "minutes"} & set(table):
        if not all(0 <= value < 2**53 for value in table[name]):
            raise ConfigError(f"{path}: {name} is not a number, 0 or more, in each row")
    for name in {"test/return", "test/return_error"} & set(table):
        if any(math.isinf(value) for value in table[name]):
            raise ConfigError(f"{path}: {name} is infinite")
    return pd.DataFrame(table)


def to_csv(
    columns: Sequence[str], rows: Iterable[Mapping[str, Any]], header: bool = True
) -> str:
    """Rows as CSV; what a row lacks is empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow([as_written(name) for name in columns])
    for row in rows:
        writer.writerow([as_written(row.get(name, "")) for name in columns])
    return text.getvalue()


def as_written(value: Any) -> Any:
    """A text that would be a formula behind an apostrophe; numbers stay numbers."""
    if not isinstance(value, str) or not value.lstrip("'").startswith(FORMULA):
        return value
    return value if is_number(value) else f"'{value}"


def as_read(cell: str) -> str:
    """Back from `as_written`."""
    formula = cell.startswith("'") and cell.lstrip("'").startswith(FORMULA)
    return cell[1:] if formula and not is_number(cell) else cell


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return not cell.startswith(("\t", "\r"))
