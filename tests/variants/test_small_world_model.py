"""Changed tokens that weigh more, and a start from the tokenizer's codebook."""

from copy import deepcopy
from itertools import product

import pytest
import torch
from networks import (
    MODES,
    make_batch,
    make_tokens,
    make_world_model,
)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_tokens_that_change_weigh_more(mode):
    wm = make_world_model(*mode, "changed_weight=3.0")
    batch, tokens = make_batch(3, 4, real=[4, 2, 1]), make_tokens(3, 4)
    tokens[:, 1:, ::2] = tokens[:, :1, ::2]  # every other token stays as it was
    with torch.no_grad():
        loss = wm.loss(tokens, batch).terms["observations"]
        output = wm.predict(tokens, batch.actions)
    logp = output.observations.flatten(0, 1).log_softmax(-1)
    labels = wm.labels(tokens, batch).observations.reshape(3, -1)
    total = weight = 0.0
    for b, n in product(range(3), range(labels.shape[1])):
        t, k = divmod(n + wm.unpredicted, 16)
        if labels[b, n] != -100:
            each = 4.0 if t > 0 and tokens[b, t, k] != tokens[b, t - 1, k] else 1.0
            total -= each * float(logp[b * labels.shape[1] + n, labels[b, n]])
            weight += each
    assert loss.item() == pytest.approx(total / weight, rel=1e-5)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_starting_from_the_codebook(mode):
    """Codes that are close have close rows, and the tables keep their scale."""
    wm = make_world_model(*mode, "codebook_start=true")
    codes = torch.randn(32, 8)
    codes[1] = codes[0] + 0.01
    scales = [table.std().item() for table in wm.code_tables()]
    wm.start_from(codes)
    for table, scale in zip(wm.code_tables(), scales, strict=True):
        rows = table[:, :8].detach()
        apart = (rows[:, None] - rows[None]).norm(dim=-1)
        assert apart[0, 1] < 0.1 * apart[0, 2:].min()
        assert rows.square().mean().sqrt().item() == pytest.approx(scale, rel=1e-3)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_without_the_setting_the_codebook_changes_nothing(mode):
    wm = make_world_model(*mode)
    before = deepcopy(wm.state_dict())
    wm.start_from(torch.randn(32, 8))
    assert all(torch.equal(v, before[k]) for k, v in wm.state_dict().items())
