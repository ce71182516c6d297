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


def test_positions_of_place_and_time_are_a_table_made_of_two():
    """The same logits as the paper's model with that table, cached and not."""
    mode = MODES[0]
    ours = make_world_model(*mode, "positions=place_and_time")
    theirs = make_world_model(*mode)
    weights = {k: v for k, v in ours.state_dict().items() if "pos_emb" not in k}
    place, time = ours.pos_emb.place.weight, ours.pos_emb.time.weight
    assert place.shape == (17, 32) and time.shape == (5, 32)
    table = torch.stack([place[i % 17] + time[i // 17] for i in range(5 * 17)])
    theirs.load_state_dict({**weights, "pos_emb.weight": table.detach()})
    tokens, actions = make_tokens(2, 5), torch.randint(3, (2, 5))
    output, expected = (wm.predict(tokens, actions) for wm in (ours, theirs))
    assert torch.equal(output.observations, expected.observations)
    cache, row = ours.new_cache(2), ours.sequence(tokens, actions)
    parts = [ours(part, cache).observations for part in row.split(20, dim=1)]
    cached = torch.cat(parts, dim=1)[:, : output.observations.shape[1]]
    torch.testing.assert_close(cached, output.observations, rtol=1e-4, atol=1e-5)
    output.observations.sum().backward()
    assert place.grad.abs().sum() > 0 and time.grad.abs().sum() > 0


def test_scores_of_normalised_attention_are_bounded():
    """By sqrt(D), for any weights; a cache holds the normalised keys."""
    wm = make_world_model(*MODES[0], "qk_norm=true")
    attn = wm.transformer.blocks[0].attn
    attn.qkv.weight.data *= 1e3
    q, k, _ = attn.project(torch.randn(2, 7, 32))
    assert q.shape == (2, 2, 7, 16)
    scores = q @ k.mT / 16**0.5
    assert 0.5 < scores.abs().max() <= 4.0001
    tokens, actions = make_tokens(2, 5), torch.randint(3, (2, 5))
    expected = wm.predict(tokens, actions).observations
    cache, row = wm.new_cache(2), wm.sequence(tokens, actions)
    parts = [wm(part, cache).observations for part in row.split(20, dim=1)]
    cached = torch.cat(parts, dim=1)[:, : expected.shape[1]]
    torch.testing.assert_close(cached, expected, rtol=1e-4, atol=1e-5)
    weights = attn.weights(torch.randn(2, 7, 32), torch.ones(7, 7, dtype=torch.bool))
    assert weights.max() / weights.min() < 3000  # e^(2 sqrt(D)) = 2981
