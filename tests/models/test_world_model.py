"""World models, the paper's and in parallel: predictions, labels, losses, caches."""

from itertools import product

import pytest
import torch
from networks import (
    MODES,
    PAPER_ORDER,
    is_white,
    make_batch,
    make_tokens,
    make_world_model,
)
from torch import Tensor

from iris_core.agent import greedy
from iris_core.data.batch import Batch
from iris_core.models.base_world_model import BaseWorldModel
from iris_core.models.world_model import token_positions
from iris_core.variants.parallel_world_model import ParallelWorldModel


def predict(
    wm: BaseWorldModel, x: Tensor, frame: Tensor, t: int, i: int
) -> Tensor | None:
    """Logits (vocab,) of token i of frame t, from what the Transformer made of a row of
    blocks (T, positions, E); None if nothing comes before that token.

    frame: its tokens (16,). In parallel a white token sees the black ones.
    """
    if isinstance(wm, ParallelWorldModel):  # from the block before
        if t == 0:
            return None
        features = wm.token_head.features(x[t - 1 : t, :-1])
        black = torch.tensor([0 if is_white(k) else int(frame[k]) for k in range(16)])
        return wm.token_head(features, black[None] if is_white(i) else None)[0, i]
    if i > 0:
        return wm.head_observations(x[t, i - 1])
    return wm.head_observations(x[t - 1, -1]) if t > 0 else None  # from the action


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_predictions_and_labels_line_up(mode):
    """Against a loop over the tokens: who predicts each, and what it should say."""
    wm = make_world_model(*mode)
    batch, tokens = make_batch(3, 4, real=[4, 2, 1]), make_tokens(3, 4)
    kept: list[Tensor] = []
    wm.transformer.register_forward_hook(lambda *args: kept.append(args[-1]))
    predicted, labels, scores = [], [], []
    with torch.no_grad():
        output = wm.predict(tokens, batch.actions)
        x = kept[0].unflatten(1, (4, wm.tokens_per_block))  # (B, T, positions, E)
        for b in range(3):
            for t in range(4):
                for i in range(16):
                    logits = predict(wm, x[b], tokens[b, t], t, i)
                    if logits is not None:
                        predicted.append(logits)
                        labels.append(tokens[b, t, i] if batch.mask[b, t] else -100)
                whole = x[b, t, -1]
                if mode[0] == "parallel":  # and the most of each feature over the frame
                    whole = whole + x[b, t, :-1].max(dim=0).values
                scores.append(wm.head_rewards(whole))
    expected = torch.stack(predicted)
    assert torch.allclose(output.observations.flatten(0, 1), expected, atol=1e-5)
    ours = wm.labels(tokens, batch)
    assert ours.observations.tolist() == [int(label) for label in labels]
    assert torch.allclose(output.rewards.flatten(0, 1), torch.stack(scores), atol=1e-5)
    real = batch.mask.flatten()
    assert (ours.rewards == -100).tolist() == (ours.ends == -100).tolist()
    assert (ours.rewards == -100).tolist() == (~real).tolist()
    assert torch.equal(ours.rewards[real], batch.rewards[batch.mask].sign().long() + 1)
    assert torch.equal(ours.ends[real], batch.ends[batch.mask].long())


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_the_loss_is_the_mean_cross_entropy_of_real_labels(mode):
    wm = make_world_model(*mode)
    batch, tokens = make_batch(3, 4, real=[4, 2, 1]), make_tokens(3, 4)
    with torch.no_grad():
        losses = wm.loss(tokens, batch)
        output = wm.predict(tokens, batch.actions)
    logp = output.observations.flatten(0, 1).log_softmax(-1)
    labels = wm.labels(tokens, batch).observations
    naive = [-logp[n, k] for n, k in enumerate(labels.tolist()) if k != -100]
    assert torch.allclose(losses.terms["observations"], torch.stack(naive).mean())
    assert torch.allclose(losses.total, sum(losses.terms.values()))


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_the_loss_of_each_frame(mode):
    """Adds up what was lost on its tokens, whatever these weigh in the loss."""
    wm = make_world_model(*mode, "changed_weight=3.0")
    batch, tokens = make_batch(2, 4, real=[4, 2]), make_tokens(2, 4)
    losses = wm.loss(tokens, batch)
    with torch.no_grad():
        output = wm.predict(tokens, batch.actions)
    logp = output.observations.flatten(0, 1).log_softmax(-1)
    labels = wm.labels(tokens, batch).observations.reshape(2, -1)
    expected = torch.zeros(2, 4)
    for b, n in product(range(2), range(labels.shape[1])):
        if labels[b, n] != -100:
            token_loss = -logp[b * labels.shape[1] + n, labels[b, n]]
            expected[b, (n + wm.unpredicted) // 16] += token_loss
    assert torch.allclose(losses.loss_per_frame, expected, rtol=1e-4)
    assert not losses.loss_per_frame.requires_grad
    assert losses.loss_per_frame[1, 2:].tolist() == [0, 0]  # padding


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_padding_does_not_change_the_loss(mode):
    """Neither tokens, nor actions, nor rewards behind an episode's last step."""
    wm = make_world_model(*mode)
    batch, tokens = make_batch(2, 4, real=[3, 2]), make_tokens(2, 4)
    other = make_batch(2, 4)
    mixed = Batch(
        batch.pixels,
        torch.where(batch.mask, batch.actions, other.actions),
        torch.where(batch.mask, batch.rewards, other.rewards),
        torch.where(batch.mask, batch.ends, other.ends),
        batch.mask,
    )
    mixed_tokens = torch.where(batch.mask[..., None], tokens, make_tokens(2, 4))
    with torch.no_grad():
        ours, theirs = wm.loss(tokens, batch), wm.loss(mixed_tokens, mixed)
    assert torch.allclose(ours.total, theirs.total)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_batch_without_labels_has_a_finite_loss(mode):
    """Last steps alone have no next frame: in parallel nothing is left to predict."""
    wm = make_world_model(*mode)
    losses = wm.loss(make_tokens(2, 4), make_batch(2, 4, real=[1, 1]))
    assert losses.total.isfinite()
    losses.total.backward()
    assert all(p.grad.isfinite().all() for p in wm.parameters() if p.grad is not None)
    if mode[0] == "parallel":
        assert losses.terms["observations"] == 0


def chunks(mode: tuple[str, str, int]) -> list[list[int]]:
    """Ways to cut 4 blocks of 17 tokens that the attention allows."""
    whole_blocks = [[17] * 4, [34, 34], [17, 51]]
    if mode[:2] == (PAPER_ORDER, "causal"):
        return [*whole_blocks, [1] * 68, [16, *[1, 16] * 3, 1], [5, 20, 43]]
    return whole_blocks


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_segments_predictions_are_those_of_its_sequence(mode):
    """All but what is predicted of the frame behind it."""
    wm = make_world_model(*mode)
    tokens, actions = make_tokens(2, 4), torch.randint(3, (2, 4))
    with torch.no_grad():
        ours, full = wm.predict(tokens, actions), wm(wm.sequence(tokens, actions))
    n = 4 * 16 - wm.unpredicted
    assert ours.observations.shape == (2, n, 32) and full.observations.shape[1] == 64
    assert torch.allclose(ours.observations, full.observations[:, :n], atol=1e-6)
    assert torch.allclose(ours.rewards, full.rewards, atol=1e-6)
    assert torch.allclose(ours.ends, full.ends, atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_given_frame_is_scored_as_a_segments_last(mode, temperature):
    wm = make_world_model(*mode)
    tokens, actions = make_tokens(2, 3), torch.randint(3, (2, 3))
    frames, (first, second, _) = tokens.unbind(1), actions.unbind(1)
    block, past = (
        torch.cat([frame, action[:, None]], dim=1)
        for frame, action in ((frames[1], second), (frames[0], first))
    )
    cache = wm.new_cache(2)
    wm.prefill([past], frames[1], cache)
    made = wm.generate(block, cache, greedy, temperature, tokens=frames[2])
    assert torch.equal(made.tokens, frames[2])
    with torch.no_grad():
        whole = wm.predict(tokens, actions)
    assert torch.allclose(made.logits().rewards, whole.rewards[:, 1], atol=1e-5)
    assert torch.allclose(made.logits().ends, whole.ends[:, 1], atol=1e-5)
    assert torch.equal(made.rewards, whole.rewards[:, 1].argmax(-1) - 1.0)
    if mode[1] == "causal":  # else the frame would see its own later tokens
        expected = whole.observations[:, -16:] / temperature
        assert torch.allclose(made.logits().observations, expected, atol=1e-5)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_generated_frame_is_what_its_logits_say(mode):
    wm = make_world_model(*mode)
    block, cache = torch.randint(3, (2, 17)), wm.new_cache(2)
    passes: list[int] = []
    wm.prefill([], block[:, :16], cache)
    wm.transformer.register_forward_hook(lambda *_: passes.append(1))
    made = wm.generate(block, cache, greedy)
    assert len(passes) == wm.passes_per_frame
    assert made.logits().observations.shape == (2, 16, 32)
    assert torch.equal(made.tokens, made.logits().observations.argmax(-1))
    assert torch.equal(made.ends, made.logits().ends.argmax(-1).bool())
    wm.prefill([], block[:, :16], cache)
    still = wm.generate(block, cache, greedy, predict_frame=False)
    assert torch.equal(still.tokens, block[:, :16])
    assert still.logits().observations.shape == (2, 0, 32)
    assert torch.equal(still.rewards, made.rewards)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_cached_passes_equal_a_full_pass(mode):
    wm = make_world_model(*mode)
    tokens = wm.sequence(make_tokens(2, 4), torch.randint(3, (2, 4)))  # (2, 68)
    with torch.no_grad():
        full = wm(tokens)
        cache = wm.new_cache(2)
        for lengths in chunks(mode):
            cache.clear()
            outputs = [wm(part, cache) for part in tokens.split(lengths, dim=1)]
            assert cache.size == 4 * wm.tokens_per_block
            for name in ("observations", "rewards", "ends"):
                parts = torch.cat([getattr(o, name) for o in outputs], dim=1)
                whole = getattr(full, name)
                if mode[0] == "parallel" and name == "observations":
                    final = final_logits([length // 17 for length in lengths])
                    parts, whole = parts[:, final], whole[:, final]
                assert torch.allclose(parts, whole, atol=1e-5), name


def final_logits(lengths: list[int]) -> Tensor:
    """Which logits of a world model in parallel are final, (16 * sum(lengths),) bool,
    if so many blocks come at a time: a white token waits for the black ones beside it,
    which are in the next block."""
    final = [
        not is_white(i) or block + 1 < length
        for length in lengths
        for block in range(length)
        for i in range(16)
    ]
    return torch.tensor(final)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_predictions_are_causal_over_blocks(mode):
    wm = make_world_model(*mode)
    tokens = wm.sequence(make_tokens(2, 4), torch.randint(3, (2, 4)))
    changed = tokens.clone()
    changed[:, 51:67] = 31 - changed[:, 51:67]
    with torch.no_grad():
        ours, theirs = wm(tokens), wm(changed)
    seen = final_logits([3]) if mode[0] == "parallel" else slice(48)
    ours.observations, theirs.observations = (
        each.observations[:, :48][:, seen] for each in (ours, theirs)
    )
    assert torch.equal(ours.observations, theirs.observations)
    assert torch.equal(ours.rewards[:, :3], theirs.rewards[:, :3])
    assert not torch.equal(ours.rewards[:, 3], theirs.rewards[:, 3])


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_too_many_tokens_are_refused(mode):
    wm = make_world_model(*mode, blocks=2)
    tokens = wm.sequence(make_tokens(1, 3), torch.zeros(1, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="do not fit"):
        wm(tokens)
    cache = wm.new_cache(1)
    wm(tokens[:, :34], cache)
    with pytest.raises(ValueError, match="do not fit"):
        wm(tokens[:, 34:], cache)
    assert cache.size == 2 * wm.tokens_per_block


def test_positions_of_tokens_anywhere_in_a_segment():
    device = torch.device("cpu")
    for size, start, length in product((2, 3, 17), range(19), (0, 1, 2, 17, 40)):
        place = torch.arange(start, start + length) % size  # in its block
        wanted = place != size - 1, place == size - 1, place != size - 2
        found = token_positions(start, length, size, device)
        for indices, mask in zip(found, wanted, strict=True):
            assert indices.dtype == torch.int64
            assert indices.tolist() == mask.nonzero().flatten().tolist()


def test_only_linear_weights_decay():
    wm = make_world_model(PAPER_ORDER, "causal", 1)
    decay, rest = wm.optimizer_groups(0.1)
    assert decay["weight_decay"] == 0.1 and rest["weight_decay"] == 0
    assert all(p.ndim == 2 for p in decay["params"])
    tables = (wm.token_embedding, wm.action_embedding, wm.pos_emb)
    together = {id(p) for p in rest["params"]}
    assert all(id(table.weight) in together for table in tables)
    count = len(decay["params"]) + len(rest["params"])
    assert count == len(list(wm.parameters()))
