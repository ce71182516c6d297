"""my_iris.py, IRIS in one file: equal to the library, short, and it runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import my_iris
import numpy as np
import pytest
import torch
from einops.layers.torch import Rearrange
from PIL import Image
from torch import Tensor, nn

from iris_core.config.departures import (
    ActorCriticConfig,
    TokenizerConfig,
    TokenizerLossConfig,
    WorldModelConfig,
)
from iris_core.config.paper import EnvConfig
from iris_core.data.batch import Batch
from iris_core.envs import Game, make_env
from iris_core.imagination.rollout import imagine
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models.actor_critic import Rollout, lambda_returns
from iris_core.variants.small_actor_critic import SmallActorCritic
from iris_core.variants.small_tokenizer import SmallTokenizer
from iris_core.variants.small_world_model import SmallWorldModel

FILE = Path(my_iris.__file__)
B, T, A = 3, 6, 3
SETTINGS = my_iris.Settings(
    codes=24, code_dim=8, blocks=T, width=32, channels=4, lstm=16, horizon=8
)
K = 16
SMALL = "--steps 40 --epochs 4 --world_model_from 1 --policy_from 2 --test_episodes 2"
UPDATES = "--tokenizer_updates 5 --world_model_updates 3 --policy_updates 2"


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def batch() -> Batch:
    """Segments of CoarseCatch, the second of them padded on the left."""
    env = make_env(EnvConfig(game="CoarseCatch"), "train")
    pixels, actions = [], np.random.default_rng(0).integers(A, size=(B, T))
    for row in actions:
        pixels.append([env.reset(seed=len(pixels))[0]])
        pixels[-1] += [env.step(action)[0] for action in row[:-1]]
    mask = torch.ones(B, T, dtype=torch.bool)
    mask[1, :2] = False
    return Batch(
        torch.from_numpy(np.stack(pixels)).permute(0, 1, 4, 2, 3).contiguous(),
        torch.from_numpy(actions),
        torch.randint(-2, 3, (B, T)).float() * mask,
        (torch.rand(B, T) < 0.2) & mask,
        mask,
    )


def greedy(logits: Tensor) -> Tensor:
    return logits.argmax(-1)


def spread(model: nn.Module) -> None:
    """Large weights: greedy choices then differ from place to place."""
    for p in model.parameters():
        if p.ndim > 1:
            nn.init.normal_(p, std=0.4)


def tokenizers() -> tuple[my_iris.Tokenizer, SmallTokenizer]:
    """The library's quantiser and loss around networks that share mine's weights."""
    mine = my_iris.Tokenizer(SETTINGS)
    config = TokenizerConfig(vocab_size=24, embed_dim=8, z_channels=8, num_res_blocks=1)
    config.loss = TokenizerLossConfig(l1=0, perceptual=0, l2=2.5, commitment=0.25)
    same = SmallTokenizer(config)
    patches, frame = "b h w (c p q)", "b c (h p) (w q)"
    same.encoder = nn.Sequential(
        Rearrange(f"{frame} -> {patches}", p=16, q=16),
        mine.encoder,
        Rearrange("b h w d -> b d h w"),
    )
    same.decoder = nn.Sequential(
        Rearrange("b d h w -> b h w d"),
        mine.decoder,
        Rearrange(f"{patches} -> {frame}", p=16, q=16),
    )
    same.pre_quant_conv = same.post_quant_conv = nn.Identity()
    same.embedding = mine.codebook
    return mine, same


def world_models() -> tuple[my_iris.WorldModel, SmallWorldModel]:
    mine = my_iris.WorldModel(SETTINGS, A)
    spread(mine)
    config = WorldModelConfig(
        max_blocks=T,
        num_layers=2,
        num_heads=4,
        embed_dim=32,
        dropout=0.0,
        positions="place_and_time",
        qk_norm=True,
    )
    same, weights = SmallWorldModel(config, 24, A, K), in_the_librarys_names(mine)
    table = weights.pop("embedding.weight")
    weights["token_embedding.weight"] = table[:24]
    weights["action_embedding.weight"] = table[24:]
    for name in ("place", "time"):
        weights[f"pos_emb.{name}.weight"] = weights.pop(f"{name}_emb.weight")
    same.load_state_dict(weights)
    return mine, same.eval()


def in_the_librarys_names(mine: nn.Module) -> dict[str, Tensor]:
    return {
        name.replace("qkv", "attn.qkv").replace("proj", "attn.proj"): weight
        for name, weight in mine.state_dict().items()
    }


def actor_critics() -> tuple[my_iris.ActorCritic, SmallActorCritic]:
    mine = my_iris.ActorCritic(SETTINGS, A)
    mine.background.uniform_()
    config = ActorCriticConfig(
        strided=True,
        subtract_background=True,
        normalise_features=True,
        normalise_advantages=True,
        mask_after_end=True,
        channels=[4, 8, 8],
        lstm_dim=16,
        entropy_weight=SETTINGS.entropy,
    )
    same = SmallActorCritic(config, A)
    same.load_state_dict(mine.state_dict())
    spread(same.actor_linear)
    mine.actor_linear.load_state_dict(same.actor_linear.state_dict())
    return mine, same


def test_tokens_drawings_and_loss_are_the_librarys(batch: Batch) -> None:
    mine, same = tokenizers()
    frames = batch.frames.flatten(0, 1)
    with torch.no_grad():  # codes that are met, as revived ones are
        mine.codebook.weight.copy_(mine.quantise(frames)[0].flatten(0, 1)[:24])
    tokens = mine.encode(batch.frames)
    assert len(tokens.unique()) > 3
    torch.testing.assert_close(tokens, same.encode(batch.frames).tokens)
    torch.testing.assert_close(mine.decode(tokens[0]), same.decode(tokens[0]))
    torch.testing.assert_close(mine.loss(frames), same.loss(frames).total)


def test_gradients_of_the_tokenizer_are_the_librarys(batch: Batch) -> None:
    mine, same = tokenizers()
    frames = batch.frames.flatten(0, 1)
    weights = list(mine.parameters())
    theirs = torch.autograd.grad(same.loss(frames).total, weights)
    ours = torch.autograd.grad(mine.loss(frames), weights)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_a_code_that_nothing_uses_is_revived(batch: Batch) -> None:
    mine, _ = tokenizers()
    frames = batch.frames.flatten(0, 1)
    before = len(mine.encode(frames).unique())
    mine.revive(frames)
    assert len(mine.encode(frames).unique()) > before
    assert mine.idle.max() == 0


def test_the_transformer_is_the_librarys() -> None:
    mine, same = (model.transformer for model in world_models())
    x = torch.randn(2, 40, 32)
    torch.testing.assert_close(mine(x, None, 0), same(x), rtol=1e-4, atol=1e-5)


def test_logits_full_and_cached_are_the_librarys() -> None:
    mine, same = world_models()
    tokens, actions = torch.randint(24, (B, T, K)), torch.randint(A, (B, T))
    ids = mine.ids(tokens, actions).flatten(1)
    full = mine(ids)
    shape = 2, 2, B, 4, mine.length, 8
    cache = torch.empty(shape)
    pieces = [
        mine(ids[:, a:b], cache, a) for a, b in ((0, 20), (20, 21), (21, ids.shape[1]))
    ]
    torch.testing.assert_close(torch.cat(pieces, 1), full, rtol=1e-4, atol=1e-4)
    theirs = same(same.sequence(tokens, actions))
    reads = full.unflatten(1, (T, K + 1))[:, :, [*range(K - 1), K]].flatten(1, 2)
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(
        mine.head_observations(reads), theirs.observations, **close
    )
    ends = full[:, K :: K + 1]
    torch.testing.assert_close(mine.head_rewards(ends), theirs.rewards, **close)
    torch.testing.assert_close(mine.head_ends(ends), theirs.ends, **close)


def test_the_world_models_loss_is_the_librarys(batch: Batch) -> None:
    mine, same = world_models()
    tokens = torch.randint(24, (B, T, K))
    flipped = Batch(*(x.flip(1) for x in vars_of(batch)))  # padded on the right
    loss, share = mine.loss(tokens, flipped)
    torch.testing.assert_close(loss, same.loss(tokens, flipped).total)
    assert 0 <= share <= 1


def vars_of(batch: Batch) -> list[Tensor]:
    return [batch.pixels, batch.actions, batch.rewards, batch.ends, batch.mask]


def test_a_greedy_dream_is_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(my_iris, "sample", greedy)
    (mine_t, same_t), (mine_w, same_w) = tokenizers(), world_models()
    mine = my_iris.Dream(mine_t, mine_w)
    same = WorldModelEnv(same_t, same_w, greedy, context=2)
    tokens, actions = torch.randint(24, (B, 2, K)), torch.randint(A, (B, 10))
    torch.testing.assert_close(
        mine.reset(tokens, actions[:, :1]), same.start(tokens, actions[:, :1])
    )
    seen = set()
    for t in range(1, 10):  # more than the world model's memory
        frames, rewards, ends = mine.step(actions[:, t])
        *theirs, info = same.step(actions[:, t])
        torch.testing.assert_close(mine.tokens, same.tokens)
        for a, b in zip((frames, rewards, ends), theirs, strict=True):
            torch.testing.assert_close(a, b)
        seen.add(info["refreshed"])
    assert seen == {True, False}


def test_the_policy_and_its_loss_are_the_librarys() -> None:
    mine, same = actor_critics()
    frames, state = torch.rand(B, 3, 64, 64), mine.new_state(B)
    for a, b in zip(mine(frames, state)[:2], same(frames, state)[:2], strict=True):
        torch.testing.assert_close(a, b)
    actions, logits = torch.randint(A, (B, T)), torch.randn(B, T, A)
    values, rewards = torch.randn(B, T), torch.randint(-1, 2, (B, T)).float()
    ends = torch.rand(B, T) < 0.3
    assert ends.any()
    none = torch.zeros(0)
    rollout = Rollout(
        none,
        actions,
        logits,
        values,
        rewards,
        ends,
        values,
        (none, none),
        (none, none),
    )
    torch.testing.assert_close(
        mine.loss(actions, logits, values, rewards, ends), same.loss(rollout).total
    )


def test_lambda_returns_are_the_librarys() -> None:
    rewards, values = torch.randn(B, T), torch.randn(B, T)
    ends = torch.rand(B, T) < 0.3
    arguments = rewards, values, ends, 0.9, 0.7
    torch.testing.assert_close(
        my_iris.lambda_returns(*arguments), lambda_returns(*arguments)
    )


def test_an_imagined_rollout_is_the_librarys(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Burn-in, context and dream, from segments that are padded on the left."""
    monkeypatch.setattr(my_iris, "sample", greedy)
    (mine_t, same_t), (mine_w, same_w) = tokenizers(), world_models()
    mine_p, same_p = actor_critics()
    frames = batch.frames
    frames[1, :2] = frames[1, 2]  # mine: the nearest step stands where there is none
    padded = my_iris.Batch(frames, batch.actions, batch.rewards, batch.ends, batch.mask)
    mine_w.s.context = same_context = 3
    rollout = my_iris.imagine(
        my_iris.Dream(mine_t, mine_w),
        mine_p,
        my_iris.Batch(*(x[:, -same_context:] for x in padded)),
    )
    mine_w.s.context = 2
    agent = SimpleNamespace(tokenizer=same_t, world_model=same_w, actor_critic=same_p)
    env = WorldModelEnv(same_t, same_w, greedy, context=same_context)
    last = Batch(*(x[:, -same_context:] for x in vars_of(batch)))
    theirs = imagine(agent, last, SETTINGS.horizon, greedy, dream=env)  # type: ignore[arg-type]
    names = "actions", "logits", "values", "rewards", "ends"
    for name, x in zip(names, rollout, strict=True):
        torch.testing.assert_close(x, getattr(theirs, name), rtol=1e-4, atol=1e-5)


def test_segments_begin_or_end_at_any_step() -> None:
    frames = torch.arange(5, dtype=torch.uint8).reshape(5, 1, 1, 1)
    episode = frames, torch.arange(5), torch.zeros(5), torch.zeros(5) > 0
    for last in (False, True):
        drawn = my_iris.segments([episode], SETTINGS, 200, 3, last)
        edge = drawn.actions[:, -1 if last else 0]
        assert set(edge.tolist()) == {0, 1, 2, 3, 4}
        assert drawn.mask[:, -1 if last else 0].all()
        missing = (~drawn.mask).sum(1)
        assert torch.equal(missing, (2 - edge if last else edge - 2).clamp(min=0))
        steps = drawn.actions.diff(dim=1)[(drawn.mask[:, 1:] & drawn.mask[:, :-1])]
        assert (steps == 1).all()


def test_two_parts_of_a_run_have_an_optimizer_of_their_own_kind() -> None:
    """Muon takes the matrices inside; Adam takes all else, once."""
    for model, matrices in (
        (my_iris.Tokenizer(SETTINGS), 4),
        (my_iris.WorldModel(SETTINGS, A), 8),
        (my_iris.ActorCritic(SETTINGS, A), 2),
    ):
        optimizer = my_iris.Optimizer(model, 1e-3)
        groups = [part.param_groups[0] for part, _ in optimizer.parts]
        taken = [p for group in groups for p in group["params"]]
        assert {id(p) for p in taken} == {id(p) for p in model.parameters()}
        assert len(taken) == len(list(model.parameters()))
        muon = [part for part, _ in optimizer.parts if type(part) is torch.optim.Muon]
        assert sum(len(part.param_groups[0]["params"]) for part in muon) == matrices


def test_the_file_is_short_and_imports_little() -> None:
    source = FILE.read_text()
    assert len(source.splitlines()) <= 450
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    outside = {n for n in imported if n.split(".")[0] not in sys.stdlib_module_names}
    assert outside == {
        "torch",
        "torch.nn.functional",
        "PIL",  # writes the GIF
        "iris_core.config.paper",  # of the game
        "iris_core.envs",
    }


def test_a_run_tells_what_it_does_and_films_its_dream(tmp_path: Path) -> None:
    words = [sys.executable, str(FILE), *SMALL.split(), *UPDATES.split()]
    run = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split()[3] for line in lines[:4]] == ["0", "1", "2", "3"]
    assert "tokenizer" in lines[0] and "changed tokens" in lines[1]
    assert "dreamed return" in lines[3]
    assert lines[4].startswith("2 test episodes of CoarseCatch: ")
    with Image.open(tmp_path / "my_iris.gif") as film:
        assert film.size == (512, 256)
        assert film.n_frames > 20


@pytest.mark.parametrize("patch", [16, 8])
def test_it_runs_on_atari(
    patch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short_games(config: EnvConfig, mode: str) -> Game:
        config.max_raw_frames = config.test_max_raw_frames = 120
        return make_env(config, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(my_iris, "make_env", short_games)
    few = {"steps": 20, "epochs": 3, "world_model_from": 1, "policy_from": 2}
    updates = {f"{n}_updates": 2 for n in ("tokenizer", "world_model", "policy")}
    s = my_iris.Settings(
        game="Pong", patch=patch, blocks=3, horizon=3, **few, **updates
    )
    agent = my_iris.train(s)
    env = short_games(EnvConfig(game="Pong"), "test")
    env.reset(seed=0)
    my_iris.film(s, env, *agent, tmp_path / "pong.gif", most=20)
    with Image.open(tmp_path / "pong.gif") as film:
        assert film.n_frames > 10
