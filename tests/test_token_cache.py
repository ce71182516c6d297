"""Frames are encoded once, and what is remembered is what encoding gives."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from iris_core.config import load_config
from iris_core.models.tokenizer import Tokenizer
from iris_core.replay import Batch, Episode, Replay, stack_segments
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


def test_pixels_that_were_not_copied(tokenizer: Counting) -> None:
    """A batch without pixels has the same tokens, and everything else as well."""
    replay, caches = Replay.load(REPLAY), (TokenCache(tokenizer), TokenCache(tokenizer))
    for seed in range(5):
        full, bare = (
            replay.sample(8, 7, random.Random(seed), pixels=pixels)
            for pixels in (True, False)
        )
        assert bare.pixels.numel() == 0 and bare.places == full.places
        for name in ("actions", "rewards", "ends", "mask"):
            assert torch.equal(getattr(full, name), getattr(bare, name)), name
        tokens = [
            cache.tokens(batch, 0)
            for cache, batch in zip(caches, (full, bare), strict=True)
        ]
        assert torch.equal(*tokens)


@pytest.mark.parametrize("fits", [0, 5, 10_000])
def test_reconstructions_are_the_decoded_tokens(tokenizer: Counting, fits: int) -> None:
    """Whether no frame fits into the memory, a few, or all."""
    replay, rng = Replay.load(REPLAY), random.Random(0)
    cache = TokenCache(tokenizer, limit=fits * 3 * 64 * 64 * 4)
    for version in (0, 0, 0, 1, 1):
        torch.manual_seed(version)
        torch.nn.init.normal_(tokenizer.embedding.weight)
        batch = replay.sample(8, 7, rng, from_start=False)
        tokens = cache.tokens(batch, version)
        with torch.no_grad():
            fresh = tokenizer.decode(tokens)
        seen = cache.reconstructions(batch, tokens)
        assert torch.equal(seen[batch.mask], fresh[batch.mask])
        assert len(cache.frames) == fits


def test_a_frame_is_decoded_once(
    tokenizer: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay, cache = Replay.load(REPLAY), TokenCache(tokenizer, limit=2**30)
    batch = replay.sample(8, 7, random.Random(0))
    tokens = cache.tokens(batch, 0)
    first = cache.reconstructions(batch, tokens)
    monkeypatch.setattr(tokenizer, "decode", None)
    assert torch.equal(cache.reconstructions(batch, tokens), first)


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
    assert tokenizer.encoded == len(frames)
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


def encode_anew(trainer: Trainer, batch: Batch) -> Tensor:
    segments = [
        (episode, start, start + batch.mask.shape[1])
        for episode, (_, start) in zip(batch.episodes, batch.places, strict=True)
    ]
    with torch.no_grad():
        tokens = trainer.agent.tokenizer.tokenize(stack_segments(segments).frames)
    return tokens.masked_fill(~batch.mask[..., None], 0)


def test_a_run_is_the_same_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cache on or off: the same weights after a whole smoke run."""
    weights = []
    for cached in (True, False):
        if not cached:
            monkeypatch.setattr(Trainer, "tokens", encode_anew)
        settings = ["env.game=Catch", f"outputs={tmp_path / str(cached)}"]
        config = load_config("smoke", settings)
        trainer = Trainer(config, Run.create(config))
        trainer.run()
        weights.append(trainer.agent.state_dict())
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name
