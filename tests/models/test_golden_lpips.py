"""LPIPS reproduces the published one, and says what to do without its weights."""

import math
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import Tensor

from iris_core.config import ConfigError
from iris_core.models.lpips import GROUPS, LPIPS, PLACES, load_lpips

GOLDEN = Path(__file__).parents[1] / "golden" / "lpips.npz"


def rule(j: int, shape: torch.Size) -> Tensor:
    """The j-th parameter by the rule in the golden data's README."""
    i = torch.arange(shape.numel(), dtype=torch.float64)
    if len(shape) == 1:
        values = 0.05 * torch.sin(i + j)
    elif shape[0] == 1:
        values = 0.5 + 0.5 * torch.sin(0.7 * i + j)
    else:
        values = math.sqrt(6 / (9 * shape[1])) * torch.sin(12.9898 * i + 78.233 * j)
    return values.reshape(shape).float()


@pytest.fixture(scope="module")
def lpips() -> LPIPS:
    network = LPIPS()
    for j, parameter in enumerate(network.parameters()):
        parameter.copy_(rule(j, parameter.shape))
    return network


def torchvision_state(lpips: LPIPS) -> dict[str, Tensor]:
    weights = lpips.state_dict()
    state = {"classifier.0.weight": torch.zeros(1)}
    for i, place in enumerate(PLACES):
        for kind in ("weight", "bias"):
            state[f"features.{place}.{kind}"] = weights[f"net.{i}.{kind}"]
    return state


def heads_state(lpips: LPIPS) -> dict[str, Tensor]:
    weights = lpips.state_dict()
    return {f"lin{i}.model.1.weight": weights[f"heads.{i}.weight"] for i in range(5)}


def published_state(lpips: LPIPS) -> dict[str, Tensor]:
    """As a published checkpoint holds it."""
    weights = lpips.state_dict()
    slices = [1 + g for g, group in enumerate(GROUPS) for _ in group]
    state = {"scaling_layer.shift": lpips.shift, "scaling_layer.scale": lpips.scale}
    for i, (place, s) in enumerate(zip(PLACES, slices, strict=True)):
        for kind in ("weight", "bias"):
            state[f"net.slice{s}.{place}.{kind}"] = weights[f"net.{i}.{kind}"]
    state |= heads_state(lpips)
    return {f"tokenizer.lpips.{name}": value for name, value in state.items()}


def assert_close(ours: Tensor, golden: np.ndarray, tolerance: float) -> None:
    error = np.abs(ours.detach().numpy() - golden).max() / np.abs(golden).max()
    assert error < tolerance, error


def test_distance_and_gradient(lpips: LPIPS) -> None:
    with np.load(GOLDEN) as golden:
        a = torch.from_numpy(golden["a"])
        b = torch.from_numpy(golden["b"]).requires_grad_()
        distance = lpips(a, b)
        (gradient,) = torch.autograd.grad(distance.sum(), b)
        assert_close(distance, golden["distance"], 1e-4)
        assert_close(gradient, golden["grad_b"], 1e-4)


def test_equal_frames_have_no_distance(lpips: LPIPS) -> None:
    frames = torch.rand(2, 3, 64, 64) * 2 - 1
    assert lpips(frames, frames).tolist() == [0.0, 0.0]


def test_is_frozen(lpips: LPIPS) -> None:
    assert not any(p.requires_grad for p in lpips.parameters())
    assert not lpips.train().training
    assert sum(p.numel() for p in lpips.parameters()) == 14_716_160


def test_from_published(lpips: LPIPS, tmp_path: Path) -> None:
    path = tmp_path / "Breakout.pt"
    torch.save(published_state(lpips) | {"tokenizer.other": torch.zeros(1)}, path)
    loaded = load_lpips(str(path))
    for ours, theirs in zip(loaded.parameters(), lpips.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_from_published_without_lpips() -> None:
    with pytest.raises(ConfigError, match="small_objects"):
        LPIPS.from_published({"tokenizer.embedding.weight": torch.zeros(1)})


class Network:
    """Has the two published files, or is not there."""

    def __init__(self, lpips: LPIPS) -> None:
        self.lpips = lpips
        self.error: Exception | None = None
        self.checked: list[bool] = []

    def load(self, url: str, *, check_hash: bool, **_: object) -> dict[str, Tensor]:
        if self.error is not None:
            raise self.error
        self.checked.append(check_hash)
        return (torchvision_state if "vgg16" in url else heads_state)(self.lpips)


@pytest.fixture
def network(lpips: LPIPS, monkeypatch: pytest.MonkeyPatch) -> Network:
    """In place of the real one."""
    network = Network(lpips)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", network.load)
    return network


def test_from_download(lpips: LPIPS, network: Network) -> None:
    loaded = load_lpips("download")
    assert network.checked == [True, True]
    for ours, theirs in zip(loaded.parameters(), lpips.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("error", [URLError("no network"), RuntimeError("hash")])
def test_download_fails(error: Exception, network: Network) -> None:
    network.error = error
    with pytest.raises(ConfigError, match=r"small_objects.*lpips_weights=PATH"):
        LPIPS.from_download()
