"""LPIPS: how different two frames look to a network that knows natural images.

Zhang et al. (2018), with the VGG16 of Simonyan and Zisserman (2015); the tokenizer's
perceptual loss (equation 4 of the paper). Written out because the published package
needs torchvision: VGG16's features are 13 convolutions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from urllib.error import URLError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iris_core.config.setting import ConfigError
from iris_core.runtime.tensors import read_tensors

# Channels of VGG16's convolutions; a max-pool comes before each later group. LPIPS
# looks at the last features of each group: relu1_2, 2_2, 3_3, 4_3 and 5_3.
GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# The convolutions' places among all layers of torchvision's VGG16.
PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)

VGG_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
HEADS_URL = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity"
    "/master/lpips/weights/v0.1/vgg.pth"
)
WITHOUT = (
    "train the tokenizer without it (tokenizer/loss=small_objects), or take LPIPS out"
    " of a published IRIS checkpoint (tokenizer.loss.lpips_weights=PATH)"
)


class LPIPS(nn.Module):
    """Perceptual distance of frames; frozen, and always in evaluation mode.

    lpips(a, b): two (B, 3, H, W) in [-1, 1], H and W at least 16 -> (B,), 0 if equal.
    The heads' dropout is left out: IRIS never trains them. Weights are random until
    one of `from_published` and `from_download` fills them.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        channels = [3, *(c for group in GROUPS for c in group)]
        self.net = nn.ModuleList(
            nn.Conv2d(c_in, c_out, 3, padding=1) for c_in, c_out in pairwise(channels)
        )
        self.heads = nn.ModuleList(
            nn.Conv2d(group[-1], 1, 1, bias=False) for group in GROUPS
        )
        # From [-1, 1] to the scale of ImageNet's statistics.
        shift = torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1)
        scale = torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1)
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> LPIPS:
        """Stays in evaluation mode: a fixed measure, not a part that learns."""
        return super().train(False)

    def features(self, frames: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> five (B, C, h, w), each cell of length one."""
        x = (frames - self.shift) / self.scale
        convolutions = iter(self.net)
        features: list[Tensor] = []
        for group in GROUPS:
            if features:
                x = F.max_pool2d(x, 2)
            for _ in group:
                x = F.relu(next(convolutions)(x))
            y = x.float()  # half precision is too coarse for differences
            norm = y.pow(2).sum(dim=1, keepdim=True).sqrt()  # (B, 1, h, w)
            features.append(y / (norm + 1e-10))
        return features

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(B, 3, H, W) twice -> (B,)."""
        pairs = zip(self.features(a), self.features(b), self.heads, strict=True)
        distances = [head((x - y).pow(2)).mean(dim=(1, 2, 3)) for x, y, head in pairs]
        return torch.stack(distances).sum(dim=0)

    @staticmethod
    def from_published(tensors: Mapping[str, Tensor]) -> LPIPS:
        """The LPIPS that a published IRIS checkpoint carries (`tokenizer.lpips.*`).

        ConfigError if it has none, or not all of it.
        """
        start = "tokenizer.lpips."
        ours = {
            _our_name(name.removeprefix(start)): tensor
            for name, tensor in tensors.items()
            if name.startswith(start) and "scaling_layer" not in name
        }
        return _filled(ours, "the checkpoint")

    @staticmethod
    def from_download() -> LPIPS:
        """LPIPS from its authors' heads and torchvision's VGG16 (528 MB).

        The files are kept in torch.hub's folder. ConfigError if one can be neither
        found there nor downloaded, or is damaged.
        """
        vgg = _download(VGG_URL)
        heads = _download(HEADS_URL)
        ours = {
            _our_name(name): tensor
            for name, tensor in {**vgg, **heads}.items()
            if not name.startswith("classifier.")
        }
        return _filled(ours, f"{VGG_URL} and {HEADS_URL}")


def load_lpips(weights: str) -> LPIPS:
    """`weights` as in tokenizer.loss.lpips_weights: "download", or a checkpoint's path.

    ConfigError if they cannot be had; it says what to do instead.
    """
    if weights == "download":
        return LPIPS.from_download()
    return LPIPS.from_published(read_tensors(weights))


def _our_name(name: str) -> str:
    """Names of torchvision (features.5), LPIPS (lin0.model.1) and IRIS (slice2.5)."""
    head = re.fullmatch(r"lin(\d)\.model\.1\.(\w+)", name)
    if head:
        return f"heads.{head[1]}.{head[2]}"
    layer = re.fullmatch(r"(?:features|net\.slice\d)\.(\d+)\.(\w+)", name)
    if layer and int(layer[1]) in PLACES:
        return f"net.{PLACES.index(int(layer[1]))}.{layer[2]}"
    return name


def _filled(tensors: Mapping[str, Tensor], source: str) -> LPIPS:
    lpips = LPIPS()
    try:
        lpips.load_state_dict(tensors)
    except RuntimeError as error:
        raise ConfigError(
            f"{source}: not the weights of LPIPS with VGG16 ({len(tensors)} tensors"
            f" found, 31 wanted); {WITHOUT}"
        ) from error
    return lpips


def _download(url: str) -> dict[str, Tensor]:
    try:
        return torch.hub.load_state_dict_from_url(
            url,
            map_location="cpu",
            check_hash=True,  # VGG16's file name holds its hash
            weights_only=True,
        )
    except (URLError, OSError) as error:
        raise ConfigError(
            f"LPIPS's weights cannot be downloaded from {url} ({error});"
            f" connect to the network, {WITHOUT}"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"the file from {url} is damaged ({error}); delete it and try again,"
            f" or {WITHOUT}"
        ) from error
