"""The networks: tokenizer, world models, actor-critic, and the agent around them."""

import math
from copy import deepcopy
from functools import cache
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from iris_core.agent import (
    Agent,
    TrainingRecord,
    categorical,
    greedy,
    make_actor_critic,
    make_tokenizer,
)
from iris_core.config import Config, ConfigError, load_config
from iris_core.data.batch import Batch
from iris_core.imagination.rollout import imagine
from iris_core.models import vqgan
from iris_core.models.actor_critic import (
    ActorCritic,
    Rollout,
    lambda_returns,
)
from iris_core.models.base_world_model import BaseWorldModel
from iris_core.models.tokenizer import Tokenizer
from iris_core.models.transformer import Dropout
from iris_core.models.world_model import WorldModel
from iris_core.variants.kmeans import kmeans
from iris_core.variants.parallel_world_model import ParallelWorldModel
from iris_core.variants.patch_tokenizer import PatchTokenizer
from iris_core.variants.small_actor_critic import SmallActorCritic
from iris_core.variants.small_tokenizer import SmallTokenizer
from iris_core.variants.small_world_model import SmallWorldModel

PATCH = ["tokenizer.architecture=patch"]
VQGAN = [  # 16 tokens of 16 pixels, or 64 of 8
    "tokenizer.architecture=vqgan",
    "tokenizer.channels=32",
    "tokenizer.attention_resolutions=[8]",
    "tokenizer.subtract_background=false",
    "tokenizer.kmeans_start=false",
]
PAPER_ORDER = "autoregressive"
MODES = [  # a world model's prediction, attention, and tokens on one position
    (PAPER_ORDER, "causal", 1),
    (PAPER_ORDER, "block_causal", 1),
    ("parallel", "causal", 1),
    ("parallel", "causal", 4),
]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@cache
def load(*overrides: str) -> Config:
    """Cached, for Hydra takes its time."""
    return load_config("smoke", list(overrides))


def make_config(*overrides: str) -> Config:
    return deepcopy(load(*overrides))


def new_tokenizer(*overrides: str) -> Tokenizer:
    return make_tokenizer(make_config(*overrides).tokenizer)


def make_agent(*overrides: str) -> Agent:
    config = make_config("world_model.dropout=0", *overrides)
    return Agent(config, ["NOOP", "LEFT", "RIGHT"]).eval()


def make_batch(rows: int, steps: int, real: list[int] | None = None) -> Batch:
    """Random steps; row i has `real[i]` of them, padded on the right."""
    mask = torch.arange(steps) < torch.tensor(real or [steps] * rows)[:, None]
    return Batch(
        torch.randint(256, (rows, steps, 3, 64, 64), dtype=torch.uint8),
        torch.randint(3, (rows, steps)),
        torch.randint(-2, 3, (rows, steps)).float() * mask,
        (torch.rand(rows, steps) < 0.3) & mask,
        mask,
    )


# The tokenizer


@pytest.mark.parametrize("overrides", [PATCH, VQGAN], ids=["patch", "vqgan"])
@pytest.mark.parametrize("lead", [(2,), (2, 3), ()], ids=str)
@pytest.mark.parametrize("levels", [5, 4])
def test_tokenizer_shapes(overrides, lead, levels):
    tokenizer = new_tokenizer(*overrides, f"tokenizer.levels={levels}").eval()
    frames = torch.rand(*lead, 3, 64, 64)
    grid = {5: 4, 4: 8}[levels]
    with torch.no_grad():
        code = tokenizer.encode(frames)
        decoded = tokenizer.decode(code.tokens)
    dim = tokenizer.config.embed_dim
    assert tokenizer.tokens_per_frame == grid * grid
    assert code.z.shape == code.z_q.shape == (*lead, dim, grid, grid)
    assert code.tokens.shape == (*lead, grid * grid)
    assert code.tokens.dtype == torch.int64
    assert decoded.shape == frames.shape
    assert decoded.min() >= 0 and decoded.max() <= 1
    with torch.no_grad():
        assert torch.equal(tokenizer.reconstruct(frames), decoded)


def test_few_frames_at_a_time_give_what_all_at_once_do(monkeypatch):
    torch.manual_seed(0)
    config = load_config("paper", ["tokenizer.channels=32"]).tokenizer
    tokenizer, passed = Tokenizer(config).eval(), []
    tokenizer.encoder.conv_in.register_forward_hook(
        lambda module, given, made: passed.append(len(given[0]))
    )
    frames = torch.rand(2 * vqgan.GROUP + 3, 3, 64, 64)
    tokens = torch.randint(512, (len(frames), 16))
    with torch.no_grad():
        few, seen = tokenizer.latents(frames), tokenizer.decode(tokens)
        assert passed == [vqgan.GROUP, vqgan.GROUP, 3]
        monkeypatch.setattr(vqgan, "GROUP", 100)
        assert torch.allclose(few, tokenizer.latents(frames), atol=1e-5)
        assert torch.allclose(seen, tokenizer.decode(tokens), atol=1e-5)
    monkeypatch.setattr(vqgan, "GROUP", 1)
    passed.clear()
    tokenizer.latents(frames)  # what is trained passes as one batch
    assert passed == [len(frames)]


@pytest.mark.parametrize("overrides", [PATCH, VQGAN], ids=["patch", "vqgan"])
def test_tokens_are_the_nearest_codes(overrides):
    tokenizer = new_tokenizer(*overrides).eval()
    with torch.no_grad():
        code = tokenizer.encode(torch.rand(2, 3, 64, 64))
        z = code.z.flatten(2).mT.reshape(-1, 1, tokenizer.config.embed_dim)
        distances = (z - tokenizer.embedding.weight).pow(2).sum(-1)  # (N, vocab)
    assert torch.equal(distances.argmin(1), code.tokens.flatten())
    z_q = code.z_q.flatten(2).mT  # (N, K, d)
    assert torch.equal(z_q, tokenizer.embedding(code.tokens))


def test_decode_stays_in_range():
    tokenizer = new_tokenizer(*PATCH)
    with torch.no_grad():
        tokenizer.embedding.weight.mul_(1e6)
    decoded = tokenizer.decode(torch.randint(32, (3, 16)))
    assert decoded.min() == 0 and decoded.max() == 1


@pytest.mark.parametrize("overrides", [PATCH, VQGAN], ids=["patch", "vqgan"])
def test_the_gradient_passes_straight_through(overrides):
    """The encoder's output gets the gradient of the decoder's input."""
    loss = ["tokenizer.loss.codebook=0", "tokenizer.loss.commitment=0"]
    tokenizer = new_tokenizer(*overrides, *loss)
    seen: dict[str, Tensor] = {}

    def keep_output(_, inputs, output):
        output.retain_grad()
        seen["z"] = output

    def keep_input(_, inputs, output):
        inputs[0].retain_grad()
        seen["decoder input"] = inputs[0]

    tokenizer.pre_quant_conv.register_forward_hook(keep_output)
    tokenizer.post_quant_conv.register_forward_hook(keep_input)
    tokenizer.loss(torch.rand(2, 3, 64, 64)).total.backward()
    assert seen["z"].grad.abs().max() > 0
    assert torch.equal(seen["z"].grad, seen["decoder input"].grad)
    assert all(p.grad.abs().max() > 0 for p in tokenizer.encoder.parameters())
    assert tokenizer.embedding.weight.grad.abs().max() == 0  # codes: codebook term only


def test_codebook_and_commitment_pull_apart():
    """One moves codes alone, the other the encoder alone."""
    off = [f"tokenizer.loss.{n}=0" for n in ("l1", "l2", "worst_pixel")]
    for name, moved, still in (
        ("commitment", "embedding", "encoder"),
        ("codebook", "encoder", "embedding"),
    ):
        tokenizer = new_tokenizer(*PATCH, *off, f"tokenizer.loss.{name}=0")
        tokenizer.loss(torch.rand(2, 3, 64, 64)).total.backward()

        def largest(part: str, tokenizer: Tokenizer = tokenizer) -> float:
            parameters = getattr(tokenizer, part).parameters()
            return max(p.grad.abs().max().item() for p in parameters)

        assert largest(moved) > 0 and largest(still) == 0


def patchwork(n: int, patches: Tensor) -> Tensor:
    """n frames of 4x4 patches (P, 3, 16, 16) put together at random."""
    chosen = patches[torch.randint(len(patches), (n, 4, 4))]  # (n, 4, 4, 3, 16, 16)
    return chosen.permute(0, 3, 1, 4, 2, 5).reshape(n, 3, 64, 64)


def test_a_frame_is_cut_into_patches_row_by_row():
    tokenizer = new_tokenizer(*PATCH)
    frame = torch.zeros(3, 64, 64)
    frame[:, 16:32, 48:64] = 1  # second row, fourth column
    with torch.no_grad():
        tokens = tokenizer.encode(frame).tokens
    assert (tokens == tokens[0]).tolist() == [i != 7 for i in range(16)]


def test_kmeans_start_reconstructs_a_few_patches():
    tokenizer = new_tokenizer(*PATCH, "tokenizer.subtract_background=false")
    frames = patchwork(8, torch.rand(10, 3, 16, 16))
    with torch.no_grad():
        before = (tokenizer.reconstruct(frames) - frames).abs().max()
    tokenizer.start_from(frames)
    with torch.no_grad():
        after = (tokenizer.reconstruct(frames) - frames).abs().max()
    assert before > 0.3 and after < 0.01
    assert len(tokenizer.encode(frames).tokens.unique()) == 10


def test_kmeans_start_of_a_still_game_with_one_moving_patch():
    tokenizer = new_tokenizer(*PATCH)
    background = torch.rand(3, 64, 64)
    frames = background.repeat(16, 1, 1, 1)
    for i in range(16):
        row, column = divmod(i, 4)
        frames[i, :, 16 * row + 5 : 16 * row + 9, 16 * column : 16 * column + 4] = 1
    tokenizer.start_from(frames)
    with torch.no_grad():
        tokens = tokenizer.encode(frames).tokens
        error = (tokenizer.decode(tokens) - frames).abs().max()
    assert error < 0.01
    still = tokenizer.encode(background).tokens
    assert ((tokens != still).sum(1) == 1).all()  # the ball's patch, nothing else


def test_the_background_is_one_repeated_token():
    tokenizer = new_tokenizer(*PATCH)
    frames = torch.rand(3, 64, 64) + 0.3 * torch.randn(6, 3, 64, 64)
    background = frames.clamp_(0, 1).median(dim=0).values
    tokenizer.start_from(frames)
    with torch.no_grad():
        tokens = tokenizer.encode(background).tokens
        assert len(tokenizer.encode(frames).tokens.unique()) > 1
    assert len(tokens.unique()) == 1
    x = tokenizer.scale(frames)
    assert torch.allclose(tokenizer.unscale(x), frames, atol=1e-6)
    assert tokenizer.scale(background).abs().max() == 0


def test_revive_moves_only_dead_codes():
    tokenizer = new_tokenizer(*PATCH)
    frames = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        used = tokenizer.encode(frames).tokens.unique()
        before = tokenizer.embedding.weight.clone()
        error = (tokenizer.vectors(frames) - before[used[0]]).pow(2).sum(1).max()
    moved = tokenizer.revive(frames)
    after = tokenizer.embedding.weight
    changed = (after != before).any(1).nonzero().flatten()
    assert len(used) < 32 and moved == len(changed) == 32 - len(used)
    assert not set(changed.tolist()) & set(used.tolist())
    assert torch.equal(after[used], before[used])
    z = tokenizer.vectors(frames)
    for code in after[changed]:  # each is a vector of these frames
        assert (z == code).all(1).any()
    best = (z[:, None] - after).pow(2).sum(-1).amin(1).max()
    assert best < error


def test_revive_leaves_codes_that_serve_well():
    tokenizer = new_tokenizer(*PATCH)
    frames = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        tokenizer.embedding.weight[:16] = tokenizer.vectors(frames)
    assert tokenizer.revive(frames) == 0


def test_foreground_weighs_what_differs_from_the_background():
    tokenizer = new_tokenizer(*PATCH, "tokenizer.loss.foreground=5")
    background = torch.full((3, 64, 64), 0.4)
    tokenizer.background.copy_(background)
    frame = background.clone()
    frame[1, 10:14, 20:24] += 0.2  # a ball, in one channel
    frame[:, 40, 40] += 0.02  # noise
    weights = tokenizer.pixel_weights(tokenizer.scale(frame[None]))
    expected = torch.ones(1, 1, 64, 64)
    expected[:, :, 10:14, 20:24] = 6
    assert torch.equal(weights, expected)
    plain = new_tokenizer(*PATCH, "tokenizer.loss.foreground=0")
    assert torch.equal(plain.pixel_weights(frame[None]), torch.ones(1))


def test_the_terms_of_the_tokenizers_loss():
    weights = {"l1": 2.0, "l2": 3.0, "worst_pixel": 0.5, "foreground": 0.0}
    overrides = [f"tokenizer.loss.{k}={v}" for k, v in weights.items()]
    tokenizer = new_tokenizer(*PATCH, *overrides, "tokenizer.loss.commitment=0.25")
    frames = torch.rand(3, 3, 64, 64)
    losses = tokenizer.loss(frames)
    code = tokenizer.encode(frames)
    error = 2 * (tokenizer.decode_codes(code.z_q) - frames)
    gap = (code.z - code.z_q).pow(2).mean()
    expected = {
        "codebook": gap,
        "commitment": 0.25 * gap,
        "l1": 2 * error.abs().mean(),
        "l2": 3 * error.pow(2).mean(),
        "worst_pixel": 0.5 * error.pow(2).sum(1).flatten(1).max(1).values.mean(),
    }
    assert losses.terms.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(losses.terms[name], value, atol=1e-5), name
    assert torch.allclose(losses.total, sum(expected.values()), atol=1e-5)
    assert torch.allclose(losses.metrics["mean_error"], error.abs().mean() / 2)
    used = len(code.tokens.unique())
    assert losses.metrics["codes_used"] == used
    assert 1 <= losses.metrics["perplexity"] <= used + 1e-3


# k-means


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_kmeans_with_fewer_rows_than_centres(rows):
    x = torch.arange(rows * 2).reshape(rows, 2).float()
    centres = kmeans(x.repeat(5, 1), k=8)
    assert centres.shape == (8, 2)
    for row in x:  # every distinct row is a centre
        assert (centres == row).all(1).any()
    assert ((centres[:, None] - x).norm(dim=-1).amin(1) < 0.1).all()


def test_kmeans_finds_separate_clusters_whatever_their_size():
    truth = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    sizes = [500, 500, 3]
    x = torch.cat(
        [c + 0.2 * torch.randn(n, 2) for c, n in zip(truth, sizes, strict=True)]
    )
    centres = kmeans(x, k=3)
    assert (centres[:, None] - truth).norm(dim=-1).amin(0).max() < 0.5


def test_kmeans_draws_from_torchs_generator():
    x = torch.randn(50, 3)
    torch.manual_seed(7)
    first = kmeans(x, k=4)
    torch.manual_seed(7)
    assert torch.equal(kmeans(x, k=4), first)


# The sampler


def frequencies(logits: Tensor, n: int = 40_000) -> Tensor:
    samples = categorical(logits.expand(n, -1))
    return torch.bincount(samples, minlength=len(logits)) / n


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "logits",
    [[0.0, 0.0], [1.0, -1.0, 0.5, 3.0], [0.0] * 50, [-40.0, 0.0, 0.0], [5.0]],
)
def test_samples_follow_the_softmax(logits, dtype):
    x = torch.tensor(logits, dtype=dtype)
    p = x.float().softmax(-1)
    assert torch.allclose(frequencies(x), p, atol=4 * 0.5 / math.sqrt(40_000))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("likeliest", [0, 2, 4])
def test_near_one_hot_logits_give_one_answer(likeliest, dtype):
    for rest in (-60.0, -math.inf):
        x = torch.full((5,), rest, dtype=dtype)
        x[likeliest] = 30.0
        assert frequencies(x)[likeliest] == 1


def test_sampling_keeps_the_leading_shape():
    logits = torch.randn(2, 3, 4, 7)
    assert categorical(logits).shape == greedy(logits).shape == (2, 3, 4)
    assert categorical(logits).dtype == torch.int64
    sharp = 1e4 * torch.eye(7)
    assert torch.equal(categorical(sharp), torch.arange(7))


# The world model


def make_world_model(
    prediction: str,
    attention: str,
    group: int,
    *overrides: str,
    blocks: int = 5,
) -> BaseWorldModel:
    agent = make_agent(
        *(f"world_model.{setting}" for setting in overrides),
        f"world_model.prediction={prediction}",
        f"world_model.attention={attention}",
        f"world_model.tokens_per_position={group}",
        f"world_model.max_blocks={blocks}",
    )
    return agent.world_model


def make_tokens(rows: int, steps: int) -> Tensor:
    return torch.randint(32, (rows, steps, 16))


def is_white(i: int) -> bool:
    """Whether token i of a 4x4 grid lies on a white field of the chessboard."""
    return (i // 4 + i % 4) % 2 == 1


@pytest.mark.parametrize(
    ("kind", "overrides"),
    [
        (WorldModel, []),
        (WorldModel, ["world_model.event_share=0.5", "world_model.dream_context=2"]),
        (SmallWorldModel, ["world_model.changed_weight=1"]),
        (SmallWorldModel, ["world_model.codebook_start=true"]),
        (SmallWorldModel, ["world_model.attention=block_causal"]),
        (SmallWorldModel, ["world_model.surprise_share=0.5"]),
        (SmallWorldModel, ["actor_critic.surprise_share=0.5"]),
        (ParallelWorldModel, ["world_model.prediction=parallel"]),
    ],
)
def test_the_papers_world_model_unless_a_departure_asks_for_another(kind, overrides):
    assert type(make_agent(*overrides).world_model) is kind


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
def test_the_loss_is_the_mean_surprise_of_real_labels(mode):
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
            nats = -logp[b * labels.shape[1] + n, labels[b, n]]
            expected[b, (n + wm.unpredicted) // 16] += nats
    assert torch.allclose(losses.loss_per_frame, expected, rtol=1e-4)
    assert not losses.loss_per_frame.requires_grad
    assert losses.loss_per_frame[1, 2:].tolist() == [0, 0]  # padding


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


def test_every_position_is_told_the_action():
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


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_what_is_padding_does_not_matter(mode):
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
def test_a_frame_that_came_is_scored_as_a_segments_last(mode, temperature):
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
    assert torch.allclose(made.logits.rewards, whole.rewards[:, 1], atol=1e-5)
    assert torch.allclose(made.logits.ends, whole.ends[:, 1], atol=1e-5)
    assert torch.equal(made.rewards, whole.rewards[:, 1].argmax(-1) - 1.0)
    if mode[1] == "causal":  # else the frame would see its own later tokens
        expected = whole.observations[:, -16:] / temperature
        assert torch.allclose(made.logits.observations, expected, atol=1e-5)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_generated_frame_is_what_its_logits_say(mode):
    wm = make_world_model(*mode)
    block, cache = torch.randint(3, (2, 17)), wm.new_cache(2)
    passes: list[int] = []
    wm.prefill([], block[:, :16], cache)
    wm.transformer.register_forward_hook(lambda *_: passes.append(1))
    made = wm.generate(block, cache, greedy)
    assert len(passes) == wm.passes_per_frame
    assert made.logits.observations.shape == (2, 16, 32)
    assert torch.equal(made.tokens, made.logits.observations.argmax(-1))
    assert torch.equal(made.ends, made.logits.ends.argmax(-1).bool())
    wm.prefill([], block[:, :16], cache)
    still = wm.generate(block, cache, greedy, predict_frame=False)
    assert torch.equal(still.tokens, block[:, :16])
    assert still.logits.observations.shape == (2, 0, 32)
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
def test_nothing_sees_a_later_block(mode):
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_zeroes_a_share_and_keeps_the_mean(dtype):
    torch.manual_seed(0)
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


# The actor-critic


def new_actor_critic(*overrides: str) -> ActorCritic:
    return make_actor_critic(make_config(*overrides).actor_critic, 3)


STRIDED = ["actor_critic.strided=true", "actor_critic.channels=[8,8,16]"]
EXTRAS = [
    "actor_critic.subtract_background=true",
    "actor_critic.normalise_features=true",
]
KINDS = {"plain": [], "strided": STRIDED, "extras": EXTRAS, "all": [*STRIDED, *EXTRAS]}
kinds = pytest.mark.parametrize("overrides", KINDS.values(), ids=KINDS.keys())


@kinds
def test_actor_critic_shapes(overrides):
    actor_critic = new_actor_critic(*overrides)
    state = actor_critic.new_state(2)
    frames = torch.rand(2, 3, 64, 64)
    logits, values, after = actor_critic(frames, state)
    assert logits.shape == (2, 3) and values.shape == (2,)
    assert [s.shape for s in after] == [(2, 32), (2, 32)]
    assert actor_critic.features(frames).shape == (2, actor_critic.lstm.input_size)
    logits.sum().backward()
    assert actor_critic.convs[0].weight.grad.abs().max() > 0
    assert all(s.abs().max() == 0 for s in state)  # not changed in place


def test_a_new_state_is_two_tensors():
    """So that writing a row of one does not write the other's."""
    hidden, cell = new_actor_critic().new_state(2)
    hidden[0] = 1
    assert cell.abs().max() == 0


def test_the_background_is_seen_as_nothing():
    actor_critic = new_actor_critic(*EXTRAS)
    background = torch.rand(3, 64, 64)
    actor_critic.start_from(background[None])
    blank = new_actor_critic()
    blank.load_state_dict(actor_critic.state_dict(), strict=False)
    grey = torch.full((1, 3, 64, 64), 0.5)  # 0 on the scale from -1 to 1
    ours = actor_critic.norm(blank.features(grey))
    assert torch.allclose(actor_critic.features(background[None]), ours, atol=1e-5)
    plain = new_actor_critic()
    plain.start_from(background[None])  # does nothing
    assert "background" not in plain.state_dict()


@kinds
def test_burn_in_skips_padding(overrides):
    """Rows padded on the left end in the state of a run without padding."""
    actor_critic = new_actor_critic(*overrides)
    frames = torch.rand(3, 4, 3, 64, 64)
    real = [4, 2, 0]
    mask = torch.arange(4) >= 4 - torch.tensor(real)[:, None]
    hidden, cell = actor_critic.burn_in(frames, mask)
    assert not hidden.requires_grad
    for i, n in enumerate(real):
        state = actor_critic.new_state(1)
        with torch.no_grad():
            for t in range(4 - n, 4):
                _, _, state = actor_critic(frames[i : i + 1, t], state)
        assert torch.allclose(hidden[i], state[0][0], atol=1e-6)
        assert torch.allclose(cell[i], state[1][0], atol=1e-6)


def test_burn_in_of_nothing():
    frames, mask = torch.rand(2, 0, 3, 64, 64), torch.ones(2, 0, dtype=torch.bool)
    hidden, cell = new_actor_critic().burn_in(frames, mask)
    assert hidden.shape == cell.shape == (2, 32) and hidden.abs().max() == 0


# Lambda-returns


def naive_return(
    rewards: list[float],
    values: list[float],
    ends: list[bool],
    gamma: float,
    lam: float,
) -> float:
    """The first step's return, by the recursion as the paper writes it."""
    if len(values) == 1:
        return values[0]
    if ends[0]:
        return rewards[0]
    later = naive_return(rewards[1:], values[1:], ends[1:], gamma, lam)
    return rewards[0] + gamma * ((1 - lam) * values[1] + lam * later)


numbers = st.floats(-10, 10, width=32)
steps = st.lists(st.tuples(numbers, numbers, st.booleans()), min_size=1, max_size=8)


@given(steps, st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_lambda_returns_follow_the_recursion(steps, gamma, lam):
    rewards, values, ends = (list(column) for column in zip(*steps, strict=True))
    ours = lambda_returns(
        torch.tensor([rewards]),
        torch.tensor([values]),
        torch.tensor([ends]),
        gamma,
        lam,
    )
    naive = [
        naive_return(rewards[t:], values[t:], ends[t:], gamma, lam)
        for t in range(len(steps))
    ]
    assert torch.allclose(ours[0], torch.tensor(naive), atol=1e-4)


def test_lambda_returns_by_hand():
    returns = lambda_returns(
        torch.tensor([[1.0, 0.0, 5.0]]),  # the last reward is not used
        torch.tensor([[10.0, 2.0, 4.0]]),
        torch.zeros(1, 3),
        gamma=0.5,
        lam=0.5,
    )
    # last: 4; middle: 0 + 0.5 * (0.5 * 4 + 0.5 * 4) = 2; first: 1 + 0.5 * (1 + 1) = 2
    assert returns.tolist() == [[2.0, 2.0, 4.0]]


def test_an_end_cuts_the_return():
    ends = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    rewards = torch.tensor([[1.0, 2.0, 100.0, 100.0]])
    returns = lambda_returns(rewards, torch.full((1, 4), 50.0), ends, 1.0, 1.0)
    assert returns[0, :2].tolist() == [3.0, 2.0]


def test_lambda_returns_check_their_shapes():
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"\(B, T\)"):
        lambda_returns(x, x, x[:, :2], 1.0, 1.0)
    with pytest.raises(ValueError, match=r"\(B, T\)"):
        lambda_returns(x[0], x[0], x[0], 1.0, 1.0)


# Its loss


def make_rollout(rows: int, steps: int, ends: Tensor | None = None) -> Rollout:
    values = torch.randn(rows, steps, requires_grad=True)
    return Rollout(
        frames=torch.zeros(rows, steps, 3, 1, 1),
        actions=torch.randint(3, (rows, steps)),
        logits=torch.randn(rows, steps, 3, requires_grad=True),
        values=values,
        rewards=torch.randint(-1, 2, (rows, steps)).float(),
        ends=torch.zeros(rows, steps, dtype=torch.bool) if ends is None else ends,
        bootstrap=values.detach().clone(),
        lstm_state=(torch.zeros(rows, 1), torch.zeros(rows, 1)),
        burn_in=(torch.zeros(rows, 0, 3, 1, 1), torch.zeros(rows, 0)),
    )


def test_the_terms_of_the_policys_loss():
    actor_critic = new_actor_critic("actor_critic.entropy_weight=0.1")
    config, rollout = actor_critic.config, make_rollout(2, 4)
    losses = actor_critic.loss(rollout)
    returns = lambda_returns(
        rollout.rewards, rollout.values.detach(), rollout.ends, config.gamma, config.lam
    )
    policy, value, entropy = [], [], []
    for b in range(2):
        for t in range(3):  # the last step does not train
            logp = rollout.logits[b, t].log_softmax(-1)
            gain = returns[b, t] - rollout.values[b, t].detach()
            policy.append(-logp[rollout.actions[b, t]] * gain)
            value.append((rollout.values[b, t] - returns[b, t]).pow(2))
            entropy.append(0.1 * (logp.exp() * logp).sum())
    naive = {"policy": policy, "value": value, "entropy": entropy}
    for name, terms in naive.items():
        mean = torch.stack(terms).mean()
        assert torch.allclose(losses.terms[name], mean, atol=1e-6), name


def test_steps_after_an_end_train_only_if_not_masked():
    ends = torch.zeros(2, 6, dtype=torch.bool)
    ends[0, 2] = ends[0, 4] = True
    rollout = make_rollout(2, 6, ends)
    for masked in (False, True):
        actor_critic = new_actor_critic(
            f"actor_critic.mask_after_end={str(masked).lower()}"
        )
        rollout.logits.grad = rollout.values.grad = None
        actor_critic.loss(rollout).total.backward()
        for grad in (rollout.logits.grad.abs().sum(-1), rollout.values.grad.abs()):
            assert (grad[0, :3] > 0).all()  # the end itself still trains
            assert ((grad[0, 3:5] == 0) == masked).all()
            assert (grad[1, :5] > 0).all() and (grad[:, 5] == 0).all()


def test_masked_steps_change_nothing():
    ends = torch.zeros(2, 6, dtype=torch.bool)
    ends[0, 2] = True
    actor_critic = new_actor_critic("actor_critic.mask_after_end=true")
    rollout = make_rollout(2, 6, ends)
    before = actor_critic.loss(rollout).total
    with torch.no_grad():
        for x in (rollout.logits, rollout.values, rollout.rewards, rollout.bootstrap):
            x[0, 3:] += 7
    assert torch.equal(actor_critic.loss(rollout).total, before)


def test_normalised_advantages():
    plain = new_actor_critic("actor_critic.entropy_weight=0")
    normal = new_actor_critic(
        "actor_critic.entropy_weight=0", "actor_critic.normalise_advantages=true"
    )
    rollout = make_rollout(4, 6)
    config = plain.config
    returns = lambda_returns(
        rollout.rewards, rollout.bootstrap, rollout.ends, config.gamma, config.lam
    )
    spread = (returns - rollout.bootstrap)[:, :-1].std(correction=0)
    ours, theirs = normal.loss(rollout).terms, plain.loss(rollout).terms
    assert torch.allclose(ours["policy"], theirs["policy"] / spread)
    assert torch.equal(ours["value"], theirs["value"])
    still = make_rollout(2, 3)  # no spread: not divided by nothing
    for x in (still.rewards, still.bootstrap, still.values):
        x.detach().zero_()
    assert normal.loss(still).terms["policy"] == 0


def test_learning_again_is_clipped():
    """Against PPO's objective, step by step; too sure a step has no gradient left."""
    actor_critic = new_actor_critic(
        "actor_critic.entropy_weight=0", "actor_critic.updates_per_dream=2"
    )
    rollout, config = make_rollout(2, 6), actor_critic.config
    before = rollout.logits.detach().log_softmax(-1)
    now = (rollout.logits.detach() + torch.randn(2, 6, 3)).requires_grad_()
    actor_critic.unroll = lambda frames, lstm_state: (now, rollout.values)
    loss = actor_critic.loss(rollout).terms["policy"]
    returns = lambda_returns(
        rollout.rewards, rollout.bootstrap, rollout.ends, config.gamma, config.lam
    )
    after, terms, kept = now.log_softmax(-1), [], []
    for b in range(2):
        for t in range(5):
            a = rollout.actions[b, t]
            gain = (returns - rollout.values)[b, t].item()
            ratio = (after[b, t, a] - before[b, t, a]).exp()
            terms.append(min(ratio * gain, ratio.clamp(0.8, 1.2) * gain))
            kept.append(bool(ratio <= 1.2 if gain > 0 else ratio >= 0.8))
    assert torch.allclose(loss, -torch.stack(terms).mean(), atol=1e-6)
    loss.backward()
    assert (now.grad[:, :5].abs().sum(-1) > 0).flatten().tolist() == kept
    assert any(kept) and not all(kept)


def test_values_bootstrap_from_where_the_rollout_says():
    actor_critic = new_actor_critic()
    rollout = make_rollout(2, 4)
    before = actor_critic.loss(rollout).metrics["mean_return"]
    rollout.bootstrap += 1
    assert actor_critic.loss(rollout).metrics["mean_return"] > before


def test_gradients_arrive_under_autocast():
    """Burn-in casts the weights without a gradient; learning must not reuse those."""
    agent = make_agent("actor_critic.burn_in=2")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = agent.actor_critic.loss(imagine(agent, make_batch(2, 3), horizon=3))
    loss.total.backward()
    assert all(p.grad.abs().max() > 0 for p in agent.actor_critic.parameters())


# The agent


def test_the_papers_networks_are_the_papers():
    agent = Agent(load_config("paper"), ["NOOP", "FIRE"])
    assert type(agent.tokenizer) is Tokenizer
    assert type(agent.world_model) is WorldModel
    assert type(agent.actor_critic) is ActorCritic


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("architecture=patch", PatchTokenizer),
        ("subtract_background=true", SmallTokenizer),
        ("kmeans_start=true", SmallTokenizer),
        ("revive_dead_codes=true", SmallTokenizer),
        ("loss.l2=1", SmallTokenizer),
        ("loss.worst_pixel=1", SmallTokenizer),
        ("loss.foreground=1", SmallTokenizer),
        ("loss.l1=2", Tokenizer),
        ("updates.warmup_steps=2", Tokenizer),
    ],
)
def test_a_tokenizer_that_departs_is_a_variant(setting, kind):
    config = load_config("paper", [f"tokenizer.{setting}", "tokenizer.channels=32"])
    assert type(make_tokenizer(config.tokenizer)) is kind


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (STRIDED, SmallActorCritic),
        (["actor_critic.subtract_background=true"], SmallActorCritic),
        (["actor_critic.normalise_features=true"], SmallActorCritic),
        (["actor_critic.mask_after_end=true"], SmallActorCritic),
        (["actor_critic.normalise_advantages=true"], SmallActorCritic),
        (["actor_critic.updates_per_dream=2"], SmallActorCritic),
        (["actor_critic.gamma=0.9", "actor_critic.target_decay=0.5"], ActorCritic),
    ],
)
def test_an_actor_critic_that_departs_is_a_variant(settings, kind):
    assert type(new_actor_critic(*settings)) is kind


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_an_agent_comes_back_from_its_file(mode, tmp_path):
    prediction, attention, group = mode
    agent = make_agent(
        "env.game=Pong",
        f"world_model.prediction={prediction}",
        f"world_model.attention={attention}",
        f"world_model.tokens_per_position={group}",
        *STRIDED,
        *EXTRAS,
    )
    path = tmp_path / "agent.safetensors"
    agent.save(path)
    again = Agent.load(path)
    assert again.config == agent.config
    assert again.actions == ["NOOP", "LEFT", "RIGHT"] and again.num_actions == 3
    assert again.game == "Pong" and not again.training
    ours, theirs = agent.state_dict(), again.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    frames = torch.rand(4, 3, 64, 64)
    actions, _ = agent.act(frames, agent.new_state(4), sample=greedy)
    same, _ = again.act(frames, again.new_state(4), sample=greedy)
    assert torch.equal(actions, same)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no part stays behind
    with safe_open(path, framework="pt") as file:
        assert file.metadata().keys() == {"format", "config", "actions"}


def test_an_agents_card_is_in_its_file(tmp_path):
    path, agent = tmp_path / "agent.safetensors", make_agent()
    agent.training_record = TrainingRecord(
        "tutorial with seed=1", 1, 17_500, 9.5, 9.4, "cpu", "abc"
    )
    agent.save(path)
    assert Agent.load(path).training_record == agent.training_record
    Agent.load(path).half().save(path)
    assert Agent.load(path).training_record == agent.training_record
    make_agent().save(path)  # as older files, without one
    assert Agent.load(path).training_record is None


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_agent(share, tmp_path):
    path = tmp_path / "agent.safetensors"
    make_agent().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ConfigError, match="cut short") as caught:
        Agent.load(path)
    assert str(path) in str(caught.value)


def test_files_that_are_no_agents(tmp_path):
    path = tmp_path / "other.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": torch.ones(2)}, path, metadata)
        with pytest.raises(ConfigError, match="no agent of this library"):
            Agent.load(path)
    with pytest.raises(ConfigError, match="No agent at"):
        Agent.load(tmp_path / "absent.safetensors")


def test_an_agent_checks_the_actions_it_meets():
    agent = make_agent()
    agent.check_game("Catch", ["NOOP", "LEFT", "RIGHT"])
    with pytest.raises(ConfigError, match=r"can't play Pong"):
        agent.check_game("Pong", ["NOOP", "LEFT", "RIGHT"])
    with pytest.raises(ConfigError) as caught:
        agent.check_game("Catch", ["NOOP", "FIRE", "RIGHT", "LEFT"])
    message = str(caught.value)
    for part in ("Catch with 3 actions (NOOP, LEFT, RIGHT)", "has 4", "env.game=Catch"):
        assert part in message


def favour(agent: Agent, action: int) -> None:
    """Make the policy take one action whatever it sees."""
    with torch.no_grad():
        agent.actor_critic.actor_linear.weight.zero_()
        agent.actor_critic.actor_linear.bias.copy_(100.0 * torch.eye(3)[action])


def test_epsilon_is_the_chance_of_any_action():
    agent = make_agent()
    favour(agent, 2)
    frames = torch.rand(1, 3, 64, 64).expand(400, -1, -1, -1)
    for epsilon in (0.0, 0.3, 1.0):
        actions, _ = agent.act(frames, agent.new_state(400), epsilon=epsilon)
        share = torch.bincount(actions, minlength=3) / 400
        expected = torch.full((3,), epsilon / 3)
        expected[2] += 1 - epsilon
        assert torch.allclose(share, expected, atol=0.09)


def test_a_low_temperature_is_greedy():
    agent = make_agent()
    frames = torch.rand(8, 3, 64, 64)
    likeliest, _ = agent.act(frames, agent.new_state(8), sample=greedy)
    cold, _ = agent.act(frames, agent.new_state(8), temperature=1e-6)
    assert torch.equal(cold, likeliest)


def test_the_policy_sees_reconstructions():
    """Frames that the tokenizer cannot tell apart lead to the same state."""
    agent = make_agent()
    frames = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        agent.tokenizer.embedding.weight[1:] = 1e3  # one code serves all
    _, (hidden, _) = agent.act(frames, agent.new_state(2))
    assert torch.allclose(hidden[0], hidden[1], atol=1e-6)
