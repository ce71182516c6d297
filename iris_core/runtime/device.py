"""Where tensors live, and where bf16 is used."""

import ctypes
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import torch

from iris_core.config.departures import Config
from iris_core.config.setting import ConfigError


def resolve_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps` -> a device that is there.

    Raises:
        ConfigError: not a device, or not on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"device={name} is none of auto, cpu, cuda, cuda:N, mps.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device={name}, but this PyTorch ({torch.__version__}) sees no CUDA GPU. "
            "Use device=cpu or device=auto (a run or agent that was made on a GPU: "
            "--device cpu), or install a CUDA build of PyTorch."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device={name}, but there are only {torch.cuda.device_count()} GPUs, "
            "numbered from 0."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device=mps, but Metal is not available. Use device=auto.")
    return device


def set_up_device(config: Config) -> torch.device:
    """The device that a run trains on, with PyTorch prepared for it.

    Raises:
        ConfigError: see `resolve_device`.
    """
    device = resolve_device(config.device)
    disable_tf32()
    keep_freed_memory()
    if device.type == "cuda" and device.index:
        torch.cuda.set_device(device)  # graphs are recorded on the current one
    if config.threads > 0:
        torch.set_num_threads(config.threads)
    return device


def autocast_for(config: Config, device: torch.device) -> torch.autocast:
    """The bf16 autocast context that the setting `autocast` asks for."""
    return bf16_autocast(device, wants_bf16(config, device))


def bf16_autocast(device: torch.device, on: bool) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=on)


def wants_bf16(config: Config, device: torch.device) -> bool:
    """Whether the setting `autocast` means bf16 on this device."""
    if config.autocast == "measured" and device.type == "cpu":
        return bf16_gain() > WORTH_IT
    on_cuda = config.autocast in ("cuda", "measured") and device.type == "cuda"
    return config.autocast == "always" or on_cuda


def disable_tf32() -> None:
    """On CUDA, what bf16 autocast leaves in float32 is what needs its digits, such as
    the distance to the nearest code: TF32 would take them away."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def keep_freed_memory() -> None:
    """Let the C library keep what is freed for the next tensor of that size.

    glibc hands large blocks back to the system, and the next batch begins with a
    page fault for each of their pages: 15% of a world-model update at tutorial size.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD, bytes
        mallopt(-3, 2**25)  # M_MMAP_THRESHOLD, at its most


WORTH_IT = 1.2  # times as fast: bf16 also costs conversions, and digits


@cache
def bf16_gain(
    size: int = 512,
    repeats: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> float:
    """How many times as fast as float32 this CPU multiplies matrices in bf16.

    About 2 with AMD's avx512_bf16 and more with Intel's AMX, 0.5 on an Intel CPU whose
    AMX is hidden, and far less where bf16 is emulated. The least of a few interleaved
    tries, in processor time, so that other programs do not decide it.
    """
    least: dict[torch.dtype, float] = {}
    for _ in range(repeats + 1):
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.ones(size, size, dtype=dtype)
            started = clock()
            x @ x
            took = clock() - started
            least[dtype] = min(took, least.get(dtype, took))
    return least[torch.float32] / max(least[torch.bfloat16], 1e-9)
