"""What an exported agent computes: a step of its dream, and its policy.

Both are the library's own networks with a few inputs and outputs around them; nothing
of a model is written a second time.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from iris_core.agent import Agent
from iris_core.models.base_world_model import BaseWorldModel
from iris_core.models.transformer import KVCache


class NoiseSampler:
    """Samples by given numbers: uniform in [0, 1), used up one after another."""

    def __init__(self, noise: Tensor) -> None:
        self.noise = noise
        self.used = 0

    def __call__(self, logits: Tensor) -> Tensor:
        """(..., n) -> int64 (...): the first class whose cumulative probability is
        above its number, or the last class."""
        rows = logits.shape[:-1]
        first, self.used = self.used, self.used + rows.numel()
        u = self.noise[first : self.used].view(*rows, 1)
        cumulative = logits.float().softmax(dim=-1).cumsum(dim=-1)
        return (cumulative <= u).sum(dim=-1).clamp(max=logits.shape[-1] - 1)


class GrowingCache(KVCache):
    """A cache that makes new tensors instead of writing into old ones."""

    def __init__(self) -> None:
        self.size = 0
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}

    def clear(self) -> None:
        self.size = 0
        self.kept = {}

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if layer in self.kept:
            keys, values = self.kept[layer]
            k, v = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        self.kept[layer] = k, v
        return k, v


class DreamStep(nn.Module):
    """A step of the dream: `prefill`, then `generate`.

    How a page dreams with it (as `WorldModelEnv` does; names are agent.json's):

    1. A start has tokens of its last C frames and the C - 1 actions between them, C at
       most `context`. `past` is their C - 1 blocks, (tokens..., action) each, oldest
       first; the last frame's tokens are the current ones.
    2. An action on the current frame: if `past` has `max_blocks` blocks already, it
       becomes its last `context` - 1 blocks, none if that is 0 (the memory was filled
       again). Then the block (current tokens..., action) is put behind it.
    3. The graph is given all of `past`, 1 ... max_blocks blocks, K + 2 new random
       numbers and the temperature. Its tokens are the current ones from then on.

    Nothing else is remembered, so any moment can be gone back to with its tokens and
    its past. If tokens are predicted one by one and see the whole of their block
    (attention=block_causal), each step is what `restore` and then `step` give.
    """

    def __init__(self, world_model: BaseWorldModel) -> None:
        super().__init__()
        self.world_model = world_model

    def forward(
        self, blocks: Tensor, noise: Tensor, temperature: Tensor
    ) -> tuple[Tensor, ...]:
        """blocks (n, K + 1) int32; noise (K + 2,) float32: for the reward, the end, and
        the tokens in the order in which they are sampled; temperature () float32.

        Returns tokens (K,) int32, their probabilities (K,), reward (), end () int32,
        probabilities of the rewards -1, 0 and 1 (3,) and of an end ().
        """
        width, tokens = blocks.shape[1], blocks.long().flatten()[None]
        past, block = tokens[:, :-width], tokens[:, -width:]
        cache = GrowingCache()
        self.world_model.prefill([past], block[:, :-1], cache)
        made = self.world_model.generate(
            block, cache, NoiseSampler(noise), cast(float, temperature)
        )
        logits = made.logits()
        probs = logits.observations[0].softmax(-1)  # (K, vocab_size)
        return (
            made.tokens[0].int(),
            probs.gather(1, made.tokens[0, :, None])[:, 0],
            made.rewards[0],
            made.ends[0].int(),
            logits.rewards[0].softmax(-1),
            logits.ends[0].softmax(-1)[1],
        )


class Policy(nn.Module):
    """Frames as they are decoded, and what the policy makes of them."""

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.tokenizer = agent.tokenizer
        self.actor_critic = agent.actor_critic

    def forward(self, tokens: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """tokens (B, K) int32, h and c (B, L) float32.

        Returns frames (B, 3, 64, 64) in [0, 1], probabilities of actions (B, A), values
        (B,), and the next h and c.
        """
        frames = self.tokenizer.decode(tokens.long())
        logits, values, state = self.actor_critic(frames, (h, c))
        return frames, logits.softmax(-1), values, *state
