"""A frame predicted at once: positions, tokens, and who sees whom."""

import math

import pytest
import torch
from networks import (
    is_white,
    make_tokens,
    make_world_model,
)

from iris_core.config import ConfigError


def test_every_position_is_conditioned_on_the_action():
    """In parallel: another action changes what is predicted everywhere."""
    wm = make_world_model("parallel", "causal", 4)
    tokens = make_tokens(1, 1)
    with torch.no_grad():
        for block in wm.transformer.blocks:  # no way but through the position itself
            block.attn.proj.weight.zero_()
        ours, other = (
            wm(wm.sequence(tokens, torch.tensor([[action]]))).observations
            for action in (0, 1)
        )
    assert ((ours - other).abs().amax(-1) > 1e-4).all()


@pytest.mark.parametrize("group", [1, 4])
def test_positions_and_tokens_lie_on_one_grid(group):
    """A position reads and predicts its own square of the 4x4 grid and a token more
    on every side."""
    wm = make_world_model("parallel", "causal", group)
    side = math.isqrt(group)
    for p in range(16 // group):
        top, left = (side * k for k in divmod(p, 4 // side))
        near = torch.zeros(6, 6, dtype=torch.bool)
        near[top : top + side + 2, left : left + side + 2] = True
        near = near[1:5, 1:5].flatten()  # (16,), by token
        tokens = torch.randint(32, (1, 16))
        for i in range(16):
            other = tokens.clone()
            other[0, i] = 31 - other[0, i]
            seen = wm.token_encoder(torch.cat([tokens, other]))[:, p]
            assert torch.equal(*seen) == (not near[i])
        x = torch.randn(1, 16 // group, 32).repeat(2, 1, 1)
        x[1, p] += 1
        with torch.no_grad():
            features = wm.token_head.features(x).flatten(2)  # (2, E, 16)
            changed = (features.diff(dim=0) != 0).any(1)[0]
        assert torch.equal(changed, near)


def test_white_tokens_see_their_black_neighbours_and_nothing_else():
    head = make_world_model("parallel", "causal", 4).token_head
    features, tokens = torch.randn(1, 16, 4, 4), torch.randint(32, (1, 16))
    for i in range(16):
        other = tokens.clone()
        other[0, i] = 31 - other[0, i]
        with torch.no_grad():
            a, b = (head(features, each)[0] for each in (tokens, other))
        changed = (a != b).any(-1).nonzero().flatten().tolist()
        row, column = divmod(i, 4)
        beside = [
            4 * (row + down) + column + right
            for down, right in ((-1, 0), (0, -1), (0, 1), (1, 0))
            if 0 <= row + down < 4 and 0 <= column + right < 4
        ]
        assert changed == ([] if is_white(i) else beside)


def test_tokens_that_share_a_position_must_tile_the_grid():
    for group in (2, 9):
        with pytest.raises(ConfigError, match=f"tokens_per_position={group}"):
            make_world_model("parallel", "causal", group)
