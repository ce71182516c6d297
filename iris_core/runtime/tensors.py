"""Files of tensors, read safely: nothing in them runs, and no more memory is taken than
they have bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iris_core.config.setting import ConfigError
from iris_core.runtime.seal import check_seal, damaged

SMALL = 2**28  # bytes that tensors may take even if they share what is in the file


def load_torch(path: Path, device: torch.device | str = "cpu") -> Any:
    """What a torch file holds: plain values and tensors.

    ConfigError if it is damaged, or claims more than it holds.
    """
    try:
        check_seal(path)
        check_stored(path)
        content = torch.load(path, map_location=device, weights_only=True)
    except ConfigError:
        raise
    # A file that is not what it says can fail in any way at all.
    except Exception as error:
        why = f"it cannot be read as tensors: {type(error).__name__}"
        raise damaged(path, why) from error
    check_sizes(list(tensors_in(content)), path)
    return content


def check_stored(path: Path) -> None:
    """Refuse an archive that would grow: torch compresses nothing."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    size = sum(entry.file_size for entry in entries)
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or size > path.stat().st_size:
        raise damaged(path, f"it would expand to {size:,} bytes")


def tensors_in(content: Any) -> Iterator[Tensor]:
    """Every tensor inside nested dicts, lists and tuples, each once."""
    waiting, seen = [content], {id(content)}
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, dict | list | tuple):
            inside = value.values() if isinstance(value, dict) else value
            new = [part for part in inside if id(part) not in seen]
            seen.update(map(id, new))
            waiting += new


def check_sizes(tensors: list[Tensor], path: Path) -> None:
    """Refuse views that make much of few bytes: a copy of them would take it all."""
    if not all(t.layout == torch.strided and not t.is_meta for t in tensors):
        raise damaged(path, "it has tensors that no agent has")
    claimed = sum(tensor.nbytes for tensor in tensors)
    if claimed > max(path.stat().st_size, SMALL):
        raise damaged(path, f"it claims tensors of {claimed:,} bytes")


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """A torch file with a flat dict of finite tensors, on the CPU.

    Never runs code from the file. ConfigError if there is no such file, or if it is
    anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"no checkpoint at {path}: check the path")
    tensors = load_torch(path)
    if not isinstance(tensors, dict):
        raise ConfigError(f"{path} holds a {type(tensors).__name__}, not a state dict")
    wrong = [
        k
        for k, v in tensors.items()
        if not (isinstance(k, str) and isinstance(v, Tensor))
    ]
    if wrong or not tensors:
        what = f"other things than tensors, e.g. {wrong[0]!r}" if wrong else "nothing"
        raise ConfigError(
            f"{path} holds {what}; a published checkpoint is a state dict"
        )
    check_finite(tensors, path)
    return dict(tensors)


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not numbers."""
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ConfigError(
                f"{path}: {name} holds values that are not finite; its training had"
                " diverged, or the file is damaged. Use another one."
            )


def check_fit(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path
) -> None:
    """ConfigError that names what is missing, unexpected, or of another shape or kind.

    Weights may have another precision, but must be floating-point numbers.
    """
    both = [name for name in wanted if name in found]
    shapes = [
        f"{name} is {_text(found[name].shape)}, not {_text(wanted[name].shape)}"
        for name in both
        if found[name].shape != wanted[name].shape
    ]
    kinds = [n for n in both if _kind(found[n]) != _kind(wanted[n])]
    problems = [
        _listed("missing", [name for name in wanted if name not in found]),
        _listed("unexpected", [name for name in found if name not in wanted]),
        _listed("of another shape", shapes),
        _listed("of another kind of number", kinds),
    ]
    if any(problems):
        raise ConfigError(
            f"{path} does not fit the agent: {'; '.join(p for p in problems if p)}."
        )


def _kind(tensor: Tensor) -> object:
    return "float" if tensor.is_floating_point() else tensor.dtype


def _listed(what: str, names: list[str], most: int = 4) -> str:
    more = ", ..." if len(names) > most else ""
    return f"{len(names)} {what} ({', '.join(names[:most])}{more})" if names else ""


def _text(shape: Iterable[int]) -> str:
    return "x".join(str(n) for n in shape)
