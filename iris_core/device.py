"""Where tensors live, and where bf16 is used."""

import torch

from iris_core.config.schema import Config, ConfigError


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
            "Use device=cpu or device=auto, or install a CUDA build of PyTorch."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device={name}, but there are only {torch.cuda.device_count()} GPUs, "
            "numbered from 0."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device=mps, but Metal is not available. Use device=auto.")
    return device


def autocast_for(config: Config, device: torch.device) -> torch.autocast:
    """The bf16 autocast context that the setting `autocast` asks for."""
    on = config.autocast == "always" or config.autocast == device.type
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=on)
