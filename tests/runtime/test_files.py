"""Files: whole or not at all, and nothing but tensors."""

import io
from pathlib import Path

import pytest
import torch

from iris_core.config.setting import ConfigError
from iris_core.runtime.files import write_atomic, write_whole
from iris_core.runtime.tensors import read_tensors


def test_write_atomic(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, "text: ü")
    assert path.read_text(encoding="utf-8") == "text: ü"
    write_atomic(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, "old")

    def half(file):
        file.write(b"ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


class FullDisk(io.BytesIO):
    """Has room for a hundred bytes."""

    def write(self, data) -> int:
        if self.tell() + len(data) > 100:
            raise OSError(28, "No space left on device")
        return super().write(data)


def test_torch_says_that_the_disk_is_full(tmp_path):
    tensors = {"a": torch.zeros(1000)}
    with pytest.raises(OSError, match="No space left on device.*last.pt"):
        write_whole(tmp_path / "last.pt", lambda _: torch.save(tensors, FullDisk()))
    with pytest.raises(RuntimeError, match="another"):
        write_whole(tmp_path / "last.pt", lambda _: fail())
    assert not list(tmp_path.iterdir())


def fail() -> None:
    raise RuntimeError("another fault")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "holds a list"),
        ({"a": torch.zeros(1), "b": {"c": torch.zeros(1)}}, "e.g. 'b'"),
        ({}, "nothing"),
        (torch.zeros(1), "holds a Tensor"),
        (torch.nn.Linear(1, 1), "cannot be read"),  # a pickled object, not tensors
    ],
)
def test_only_flat_dicts_of_tensors(content: object, says: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "agent.pt")
    with pytest.raises(ConfigError, match=says):
        read_tensors(tmp_path / "agent.pt")


def test_files_that_are_not_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "agent.pt"
    torch.save({"a": torch.zeros(100)}, path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"version https://git-lfs..."):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="copied to its end"):
            read_tensors(path)
    with pytest.raises(ConfigError, match="check the path"):
        read_tensors(tmp_path)
