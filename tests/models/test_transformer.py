"""The Transformer's dropout and attention."""

import pytest
import torch
from networks import (
    PAPER_ORDER,
    make_world_model,
)

from iris_core.models.transformer import Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_zeroes_a_share_and_keeps_the_mean(dtype):
    drop, x = Dropout(0.1), torch.full((333, 301), 0.9, dtype=dtype, requires_grad=True)
    y = drop(x)
    assert y.dtype == dtype
    assert y.unique().tolist() == pytest.approx([0.0, 1.0], abs=0.01)  # bf16 rounds
    assert float((y == 0).float().mean()) == pytest.approx(0.1, abs=0.005)
    y.sum().backward()
    assert torch.equal(x.grad != 0, y != 0)
    assert not torch.equal(y, drop(x))  # other numbers each time
    assert drop.eval()(x) is x and Dropout(0.0)(x) is x


def test_attention_weights_are_causal():
    wm = make_world_model(PAPER_ORDER, "causal", 1)
    attention = wm.transformer.blocks[0].attn
    weights = attention.weights(torch.randn(2, 17, 32), wm.transformer.mask[:17, :17])
    assert weights.shape == (2, 2, 17, 17)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 2, 17))
    assert weights.triu(1).abs().max() == 0
