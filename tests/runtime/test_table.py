"""Tables: any bytes are read or refused in a sentence; no cell becomes a formula."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iris_core.config.setting import ConfigError
from iris_core.runtime.files import read_text
from iris_core.runtime.table import parse_rows, read_metrics, to_csv
from iris_core.tools.scores.run_records import OwnRun, append_run, own_runs
from iris_core.training.logger import CsvLogger, read

METRICS = "epoch,env_steps,minutes,test/return\n1,10,0.5,\n2,20,1.0,3.5\n"
COLUMNS = ("env_steps", "minutes", "test/return")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "metrics.csv"


@settings(max_examples=250, deadline=None)
@given(at=st.integers(0, 60), size=st.integers(0, 9), new=st.binary(max_size=6))
def test_mutated_metrics(file: Path, at: int, size: int, new: bytes) -> None:
    """A sentence, or numbers: a changed digit is not to be seen."""
    text = METRICS.encode()
    file.write_bytes(text[:at] + new + text[at + size :])
    for reader in (lambda: read_metrics(file, COLUMNS), lambda: CsvLogger(file, 2)):
        try:
            reader()
        except ConfigError as error:
            assert str(file) in str(error)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    for reader in (lambda: read_metrics(file, ()), lambda: read(file)):
        try:
            reader()
        except ConfigError as error:
            assert str(file) in str(error)


def test_metrics(file: Path) -> None:
    file.write_text(METRICS)
    table = read_metrics(file, COLUMNS)
    assert table["env_steps"].tolist() == [10, 20]
    assert table.dropna(subset=["test/return"])["minutes"].tolist() == [1.0]
    file.write_text(METRICS + "3,30,1.5,many\n")
    with pytest.raises(ConfigError, match="line 4: test/return is 'many'"):
        read_metrics(file, COLUMNS)


FORMULA = st.sampled_from(["=1+1", "+A1", "-cmd|x", "@SUM(A1)", "\t=1", "'=1", "''-x"])


@settings(max_examples=100, deadline=None)
@given(cells=st.lists(FORMULA | st.text("='+-@a1 ,\"\n"), min_size=2, max_size=2))
def test_no_cell_is_a_formula(file: Path, cells: list[str]) -> None:
    text = to_csv(("a", "b"), [dict(zip("ab", cells, strict=True))])
    for row in csv.reader(io.StringIO(text, newline="")):
        for cell in row:
            number = cell[1:].isdecimal()
            assert number or not cell.startswith(("=", "+", "-", "@", "\t"))
    file.write_bytes(text.encode())
    rows = parse_rows(read_text(file), file)
    assert [list(row.values()) for row in rows] == [cells]


def test_numbers_stay_numbers() -> None:
    row = {"a": -1.5, "b": "-2e-05", "c": "nan", "d": -3}
    assert to_csv(tuple("abcd"), [row], header=False) == "-1.5,-2e-05,nan,-3\n"


def test_a_record_that_looks_like_a_formula(tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    run = OwnRun("Pong", 0, '=HYPERLINK("http://x")', 100, 9.2, "cpu", "@a", 20, -21.0)
    assert append_run(run, table) and not append_run(run, table)
    assert OwnRun(*own_runs(table).iloc[0]) == run
    assert "\"'=HYPER" in table.read_text() and ",-21.0\n" in table.read_text()
