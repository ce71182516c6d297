"""Checkpoints and other archives: damage is noticed, and so are claims."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iris_core.config.setting import ConfigError
from iris_core.runtime.seal import check_seal, note_unsealed, write_sealed
from iris_core.runtime.tensors import load_torch, read_tensors

CONTENT = {"weights": torch.arange(12.0).reshape(3, 4), "epoch": 3}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("sealed") / "last.pt"
    write_sealed(path, lambda file: torch.save(CONTENT, file))
    return path, path.read_bytes()


def test_every_flipped_bit_is_refused(file: tuple[Path, bytes]) -> None:
    path, whole = file
    assert torch.equal(load_torch(path)["weights"], CONTENT["weights"])
    assert torch.equal(torch.load(path)["weights"], CONTENT["weights"])  # by others
    try:
        for at in range(len(whole)):
            flipped = whole[at] ^ (1 << at % 8)
            path.write_bytes(whole[:at] + bytes([flipped]) + whole[at + 1 :])
            with pytest.raises(ConfigError, match="is damaged"):
                check_seal(path)
    finally:
        path.write_bytes(whole)


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 2000), size=st.integers(1, 2000), new=st.binary(max_size=9))
def test_every_cut_and_every_insertion_is_refused(
    file: tuple[Path, bytes], start: int, size: int, new: bytes
) -> None:
    path, whole = file
    start %= len(whole)
    changed = whole[:start] + new + whole[start + size :]
    mutant = path.with_name("mutant.pt")
    mutant.write_bytes(changed)
    if changed == whole:
        return
    with pytest.raises(ConfigError, match="is damaged"):
        load_torch(mutant)


def test_a_file_without_a_checksum_loads_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note_unsealed.cache_clear()
    torch.save({"a": torch.ones(2)}, tmp_path / "old.pt")
    for _ in range(2):
        assert read_tensors(tmp_path / "old.pt").keys() == {"a"}
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 1 and f"{tmp_path} has files without a checksum" in notes[0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite(bad: float, tmp_path: Path) -> None:
    torch.save({"a": torch.tensor([0.0, bad])}, tmp_path / "nan.pt")
    with pytest.raises(ConfigError, match="a holds values that are not finite"):
        read_tensors(tmp_path / "nan.pt")


def compressed(path: Path, size: int) -> None:
    """A torch file whose numbers, all zero, are packed."""
    plain = io.BytesIO()
    torch.save({"a": torch.zeros(size)}, plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", 8) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))


def views(path: Path, size: int) -> None:
    """A torch file with a number that is said to be many."""
    torch.save({"a": torch.zeros(1).expand(size)}, path)


@pytest.mark.parametrize("write", [compressed, views])
def test_archives_that_would_grow(write, tmp_path: Path) -> None:
    write(tmp_path / "bomb.pt", 10**8)
    assert (tmp_path / "bomb.pt").stat().st_size < 10**6
    with pytest.raises(ConfigError, match="(would expand|claims tensors)"):
        load_torch(tmp_path / "bomb.pt")


def test_npz_too(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_sealed(path, lambda file: np.savez_compressed(file, a=np.ones(3)))
    check_seal(path)
    assert np.load(path)["a"].sum() == 3  # for other readers it is a comment
