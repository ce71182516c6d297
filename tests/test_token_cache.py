"""Frames are encoded once, and what is remembered is what encoding gives."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from iris_core.config import load_config
from iris_core.models.tokenizer import Tokenizer
from iris_core.replay import Batch, Episode, Replay
from iris_core.training.runs import Run
from iris_core.training.token_cache import TokenCache
from iris_core.training.trainer import Trainer

REPLAY = Path(__file__).parents[1] / "data" / "episodes" / "breakout_random"


class Counting(Tokenizer):
    """Counts the frames that it encodes."""

    encoded = 0

    def tokenize(self, frames: Tensor) -> Tensor:
        self.encoded += frames[..., 0, 0, 0].numel()
        return super().tokenize(frames)


@pytest.fixture
def tokenizer() -> Counting:
    torch.manual_seed(0)
    made = Counting(load_config("tutorial").tokenizer)
    torch.nn.init.normal_(made.embedding.weight)
    return made.eval()


def same(cache: TokenCache, batch: Batch, version: int = 0) -> None:
    tokens = cache.tokens(batch, version)
    with torch.no_grad():
        fresh = Tokenizer.tokenize(cache.tokenizer, batch.frames)
    assert torch.equal(tokens[batch.mask], fresh[batch.mask])
    assert not tokens[~batch.mask].any()


@pytest.mark.parametrize("from_start", [True, False])
def test_tokens_are_those_of_the_frames(tokenizer: Counting, from_start: bool) -> None:
    cache, replay, rng = TokenCache(tokenizer), Replay.load(REPLAY), random.Random(0)
    for _ in range(20):
        same(cache, replay.sample(8, 7, rng, from_start))


def test_no_frame_is_encoded_twice(tokenizer: Counting) -> None:
    cache, replay = TokenCache(tokenizer), Replay.load(REPLAY)
    batches = [replay.sample(8, 7, random.Random(seed)) for seed in range(60)]
    frames = {
        (episode, start + t)
        for batch in batches
        for (episode, start), mask in zip(batch.places, batch.mask, strict=True)
        for t in mask.nonzero().flatten().tolist()
    }
    for batch in batches:
        cache.tokens(batch, 0)
    # Overlapping rows of one batch are encoded together, before either is known
    assert len(frames) <= tokenizer.encoded < 1.2 * len(frames)
    before = tokenizer.encoded
    for batch in batches:
        cache.tokens(batch, 0)
    assert tokenizer.encoded == before


def test_another_tokenizer_starts_anew(tokenizer: Counting) -> None:
    cache, replay = TokenCache(tokenizer), Replay.load(REPLAY)
    batch = replay.sample(8, 7, random.Random(0))
    same(cache, batch)
    torch.nn.init.normal_(tokenizer.embedding.weight)
    same(cache, batch, version=1)


def test_an_open_episode_grows(tokenizer: Counting) -> None:
    cache, rng = TokenCache(tokenizer), random.Random(0)
    whole, replay = Replay.load(REPLAY)[4], Replay()
    parts = [0, 3, 50, 51, 200]
    for first, last in pairwise(parts):
        piece = Episode(
            whole.frames[first:last],
            whole.actions[first:last],
            whole.rewards[first:last],
            whole.terminated[first:last],
            whole.truncated[first:last],
        )
        if first == 0:
            replay.add(piece)
        else:
            replay.append(0, piece)
        for _ in range(5):
            same(cache, replay.sample(4, 9, rng, from_start=False))


def test_it_survives_a_checkpoint(tokenizer: Counting) -> None:
    cache, replay = TokenCache(tokenizer), Replay.load(REPLAY)
    batch = replay.sample(8, 7, random.Random(0))
    tokens = cache.tokens(batch, 3)
    other = TokenCache(tokenizer)
    other.load_state_dict(cache.state_dict())
    before = tokenizer.encoded
    assert torch.equal(other.tokens(batch, 3), tokens)
    assert tokenizer.encoded == before


def test_a_run_is_the_same_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cache on or off: the same weights after a whole smoke run."""
    weights = []
    for cached in (True, False):
        if not cached:
            monkeypatch.setattr(
                Trainer,
                "tokens",
                lambda self, batch: self.agent.tokenizer.tokenize(
                    batch.frames
                ).masked_fill(~batch.mask[..., None], 0),
            )
        settings = ["env.game=Catch", f"outputs={tmp_path / str(cached)}"]
        config = load_config("smoke", settings)
        trainer = Trainer(config, Run.create(config))
        trainer.run()
        weights.append(trainer.agent.state_dict())
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name
