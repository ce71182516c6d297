"""Frames are encoded once, and what is remembered is what encoding gives."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from running import make_state, train
from torch import Tensor

from iris_core.config import load_config
from iris_core.data.batch import Batch
from iris_core.data.episode import Episode
from iris_core.data.replay_buffer import Replay
from iris_core.data.sampler import Align, SegmentSampler
from iris_core.training.token_cache import TokenCache
from iris_core.variants.patch_tokenizer import PatchTokenizer

REPLAY = Path(__file__).parents[2] / "data" / "episodes" / "breakout_random"


class Counting(PatchTokenizer):
    """Counts the frames that it encodes and decodes."""

    encoded = decoded = 0

    def tokenize(self, frames: Tensor) -> Tensor:
        self.encoded += frames[..., 0, 0, 0].numel()
        return super().tokenize(frames)

    def decode(self, tokens: Tensor) -> Tensor:
        self.decoded += tokens[..., 0].numel()
        return super().decode(tokens)


@pytest.fixture
def tokenizer() -> Counting:
    made = Counting(load_config("tutorial").tokenizer)
    torch.nn.init.normal_(made.embedding.weight)
    return made.eval()


def same(cache: TokenCache, batch: Batch) -> None:
    tokens = cache.tokens(batch)
    with torch.no_grad():
        fresh = PatchTokenizer.tokenize(cache.tokenizer, batch.frames)
    assert torch.equal(tokens[batch.mask], fresh[batch.mask])
    assert not tokens[~batch.mask].any()


@pytest.mark.parametrize("align", ["start", "end"])
def test_tokens_are_those_of_the_frames(tokenizer: Counting, align: Align) -> None:
    replay, rng = Replay.load(REPLAY), random.Random(0)
    cache, sampler = TokenCache(tokenizer, replay), SegmentSampler(replay)
    for _ in range(20):
        same(cache, sampler.sample(8, 7, align, rng))


def test_pixels_that_were_not_copied(tokenizer: Counting) -> None:
    """A batch without pixels has the same tokens, and everything else as well."""
    replay = Replay.load(REPLAY)
    caches = TokenCache(tokenizer, replay), TokenCache(tokenizer, replay)
    sampler = SegmentSampler(replay)
    for seed in range(5):
        full, bare = (
            sampler.sample(8, 7, "start", random.Random(seed), pixels=pixels)
            for pixels in (True, False)
        )
        assert bare.pixels.numel() == 0 and bare.segment_ids == full.segment_ids
        for name in ("actions", "rewards", "ends", "mask"):
            assert torch.equal(getattr(full, name), getattr(bare, name)), name
        tokens = [
            cache.tokens(batch)
            for cache, batch in zip(caches, (full, bare), strict=True)
        ]
        assert torch.equal(*tokens)


@pytest.mark.parametrize("fits", [0, 5, 10_000])
def test_reconstructions_are_the_decoded_tokens(tokenizer: Counting, fits: int) -> None:
    """Whether no frame fits into the cache, a few, or all."""
    replay, rng = Replay.load(REPLAY), random.Random(0)
    cache = TokenCache(tokenizer, replay, limit=fits * 3 * 64 * 64 * 4)
    for changed in (False, False, False, True, False):
        if changed:
            torch.nn.init.normal_(tokenizer.embedding.weight)
            cache.forget()
        batch = SegmentSampler(replay).sample(8, 7, "end", rng)
        tokens = cache.tokens(batch)
        with torch.no_grad():
            fresh = tokenizer.decode(tokens)
        seen = cache.reconstructions(batch, tokens)
        assert torch.equal(seen[batch.mask], fresh[batch.mask])
        assert len(cache.frames) == fits


def test_a_frame_is_decoded_once(tokenizer: Counting) -> None:
    replay = Replay.load(REPLAY)
    cache = TokenCache(tokenizer, replay, limit=2**30)
    batch = SegmentSampler(replay).sample(8, 7, "start", random.Random(0))
    tokens = cache.tokens(batch)
    first = cache.reconstructions(batch, tokens)
    before = tokenizer.decoded
    assert torch.equal(cache.reconstructions(batch, tokens), first)
    assert tokenizer.decoded == before > 0


def test_no_frame_is_encoded_twice(tokenizer: Counting) -> None:
    replay = Replay.load(REPLAY)
    cache, sampler = TokenCache(tokenizer, replay), SegmentSampler(replay)
    batches = [sampler.sample(8, 7, "start", random.Random(i)) for i in range(60)]
    frames = {
        (episode, start + t)
        for batch in batches
        for (episode, start), mask in zip(batch.segment_ids, batch.mask, strict=True)
        for t in mask.nonzero().flatten().tolist()
    }
    for batch in batches:
        cache.tokens(batch)
    assert tokenizer.encoded == len(frames)
    before = tokenizer.encoded
    for batch in batches:
        cache.tokens(batch)
    assert tokenizer.encoded == before


def test_another_tokenizer_starts_anew(tokenizer: Counting) -> None:
    replay = Replay.load(REPLAY)
    cache = TokenCache(tokenizer, replay)
    batch = SegmentSampler(replay).sample(8, 7, "start", random.Random(0))
    same(cache, batch)
    torch.nn.init.normal_(tokenizer.embedding.weight)
    cache.forget()
    same(cache, batch)


def test_an_open_episode_grows(tokenizer: Counting) -> None:
    whole, replay = Replay.load(REPLAY)[4], Replay()
    cache, rng = TokenCache(tokenizer, replay), random.Random(0)
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
            same(cache, SegmentSampler(replay).sample(4, 9, "end", rng))


def test_it_survives_a_checkpoint(tokenizer: Counting) -> None:
    replay = Replay.load(REPLAY)
    cache = TokenCache(tokenizer, replay)
    batch = SegmentSampler(replay).sample(8, 7, "start", random.Random(0))
    tokens = cache.tokens(batch)
    other = TokenCache(tokenizer, replay)
    other.load_state_dict(cache.state_dict())
    before = tokenizer.encoded
    assert torch.equal(other.tokens(batch), tokens)
    assert tokenizer.encoded == before


def test_a_run_is_the_same_without_it(finished, tmp_path: Path) -> None:
    """The same weights after a whole run of the smoke preset."""
    state = make_state(tmp_path)
    state.experience.token_cache = Uncached(state.agent.tokenizer, state.replay)
    train(state)
    weights = state.agent.state_dict()
    for name, tensor in finished[0].agent.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


class Uncached(TokenCache):
    """Encodes a batch's frames each time."""

    def tokens(self, batch: Batch) -> Tensor:
        full = self.replay.batch(batch.segment_ids, batch.mask.shape[1])
        with torch.no_grad():
            tokens = self.tokenizer.tokenize(full.frames)
        return tokens.masked_fill(~batch.mask[..., None], 0)
