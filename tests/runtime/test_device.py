"""Where tensors live, and where bf16 is used."""

import pytest
import torch

from iris_core.config import Config, ConfigError
from iris_core.runtime import device as device_module
from iris_core.runtime.device import autocast_for, resolve_device, wants_bf16


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in {"cpu", "cuda", "mps"}
    for name in ("tpu", "gpu", "meta", "cuda:x", ""):
        with pytest.raises(ConfigError, match="none of auto, cpu, cuda"):
            resolve_device(name)


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    for name in ("cuda", "cuda:0"):
        with pytest.raises(ConfigError, match="sees no CUDA GPU"):
            resolve_device(name)
    with pytest.raises(ConfigError, match="Metal is not available"):
        resolve_device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert resolve_device("auto") == torch.device("cuda")
    with pytest.raises(ConfigError, match="only 2 GPUs"):
        resolve_device("cuda:2")


@pytest.mark.parametrize(
    ("setting", "device", "on"),
    [("cuda", "cpu", False), ("always", "cpu", True), ("never", "cpu", False)],
)
def test_autocast(setting, device, on):
    config = Config(autocast=setting)
    with autocast_for(config, torch.device(device)):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if on else torch.float32)


@pytest.mark.parametrize(("gain", "on"), [(0.5, False), (1.1, False), (2.0, True)])
def test_bf16_where_it_was_measured_to_pay(gain, on, monkeypatch):
    monkeypatch.setattr(device_module, "bf16_gain", lambda: gain)
    config = Config(autocast="measured")
    assert wants_bf16(config, torch.device("cpu")) == on
    assert wants_bf16(config, torch.device("cuda"))


def test_the_gain_of_bf16_is_that_of_the_least_times():
    ticks = iter([0, 4, 0, 9, 0, 3, 0, 2])  # float32, bf16, float32, bf16
    gain = device_module.bf16_gain(size=2, repeats=1, clock=lambda: next(ticks))
    assert gain == 3 / 2
