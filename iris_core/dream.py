"""The world model as an environment, and a policy's rollout in it.

Section 2.3 of the paper. A dream starts from a real frame. A step feeds the action to
the Transformer, samples reward and end, then the next frame's tokens, and decodes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from iris_core.models.actor_critic import Rollout
from iris_core.models.agent import Agent, Sampler, categorical
from iris_core.models.parallel_world_model import ParallelWorldModel
from iris_core.models.tokenizer import Tokenizer
from iris_core.models.world_model import WorldModel, WorldModelOutput
from iris_core.replay import Batch


class DreamEnv:
    """B dreams side by side, without gradients.

    tokens: (B, K) int64, the current frame. The cache holds what came before it (and,
    token by token, the frame itself); when it cannot hold another step it is filled
    again with the last `context` frames alone (1 in the paper: the current frame).
    temperature is that of the frame tokens' sampling (1 in the paper).
    packed: a frame's last token waits for the next action and passes the Transformer
    together with it: K passes a step and not K + 1, with the same results.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        world_model: WorldModel,
        sample: Sampler = categorical,
        context: int = 1,
        temperature: float = 1.0,
        packed: bool = False,
    ) -> None:
        self.tokenizer = tokenizer
        self.decode: Callable[[Tensor], Tensor] = tokenizer.decode
        self.world_model = world_model
        self.sample = sample
        self.context = context
        self.temperature = temperature
        self.packed = packed and not world_model.parallel
        self.tokens = torch.empty(0, dtype=torch.int64)
        self.past: list[Tensor] = []  # earlier blocks, (B, K + 1) each, oldest first
        self.cache = world_model.new_cache(0)

    @classmethod
    def of(cls, agent: Agent, sample: Sampler = categorical) -> DreamEnv:
        """The dream that an agent's configuration asks for, packed."""
        config = agent.config.world_model
        return cls(
            agent.tokenizer,
            agent.world_model,
            sample,
            config.dream_context,
            config.dream_temperature,
            packed=True,
        )

    def follow(self, world_model: WorldModel, version: int) -> None:
        """Dream in this world model, whose version tells when it has changed."""
        self.world_model = world_model

    @torch.no_grad()
    def reset(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """Start from frames (B, 3, 64, 64), or from a short past (B, C, 3, 64, 64) and
        the actions (B, C - 1) between, float in [0, 1].

        Returns the current frames as the tokenizer shows them, (B, 3, 64, 64).
        """
        if frames.ndim == 4:
            frames = frames[:, None]
        tokens = self.tokenizer.tokenize(frames)  # (B, C, K)
        if actions is None:
            actions = tokens.new_zeros(len(tokens), frames.shape[1] - 1)
        return self.start(tokens, actions)

    @torch.no_grad()
    def start(
        self, tokens: Tensor, actions: Tensor, frames: Tensor | None = None
    ) -> Tensor:
        """`reset`, from tokens (B, C, K) and actions (B, C - 1), int64; frames: what
        the last of the tokens decode to, if that is known."""
        blocks = torch.cat([tokens[:, :-1], actions[..., None]], dim=-1)
        self.past = list(blocks.unbind(1))
        self.tokens = tokens[:, -1]
        if self.cache.batch_size != len(tokens):
            self.cache = self.world_model.new_cache(len(tokens))
        self.refresh()
        self.frames = self.decode(self.tokens) if frames is None else frames
        return self.frames

    def refresh(self) -> None:
        """Fill the cache again with the last `context` frames."""
        self.past = self.past[max(len(self.past) + 1 - self.context, 0) :]
        self.fill()

    def fill(self) -> None:
        """Let the cache hold the past, and token by token the current frame."""
        known = self.past if self.world_model.parallel else [*self.past, self.tokens]
        self.cache.clear()
        if self.packed:
            known[-1] = self.tokens[:, :-1]
        if known:
            self.world_model.hidden(torch.cat(known, dim=1), self.cache)

    @torch.no_grad()
    def restore(self, tokens: Tensor, past: Sequence[Tensor]) -> Tensor:
        """Go on from an earlier moment: its `tokens` (B, K) and `past`.

        Other tokens than it had make another frame of the same past. Returns the
        current frames, (B, 3, 64, 64).
        """
        self.tokens, self.past = tokens, list(past)
        self.cache = self.world_model.new_cache(len(tokens))
        self.fill()
        self.frames = self.decode(tokens)
        return self.frames

    @torch.no_grad()
    def step(
        self, actions: Tensor, predict_frame: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Take actions (B,) int64.

        Returns frames (B, 3, 64, 64) float in [0, 1], rewards (B,) float in {-1, 0, 1},
        ends (B,) bool. Without predict_frame the frame stays (a rollout's last step).
        """
        wm = self.world_model
        needed = wm.tokens_per_block if wm.parallel or predict_frame else 1
        if self.cache.size + self.packed + needed > wm.max_tokens:
            self.refresh()
        block = torch.cat([self.tokens, actions[:, None]], dim=1)
        tokens, rewards, ends = self.predict(block, predict_frame)
        if predict_frame:
            self.past.append(block)
            self.tokens = tokens
            self.frames = self.decode(tokens)
        return self.frames, rewards, ends

    def predict(
        self, block: Tensor, predict_frame: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sample what follows a block (B, K + 1) of frame tokens and action: the next
        tokens (B, K), rewards (B,) and ends (B,)."""
        wm = self.world_model
        # What no pass has seen yet
        new = block if wm.parallel else block[:, -2:] if self.packed else block[:, -1:]
        # A parallel model's tokens are scored turn by turn, in `draw`
        output = wm(new, self.cache, labelled=wm.parallel)
        rewards = self.sample(output.rewards[:, -1]).float() - 1
        ends = self.sample(output.ends[:, -1]).bool()
        tokens = block[:, :-1]
        if predict_frame and isinstance(wm, ParallelWorldModel):
            tokens = wm.draw(output, self.draw_tokens)
        elif predict_frame:
            tokens = self.token_by_token(output)
        return tokens, rewards, ends

    def draw_tokens(self, logits: Tensor) -> Tensor:
        return self.sample(logits / self.temperature)

    def token_by_token(self, output: WorldModelOutput) -> Tensor:
        """Sample the next frame's tokens, each seeing those before it: (B, K)."""
        wm = self.world_model
        tokens: list[Tensor] = []
        while True:
            tokens.append(self.draw_tokens(output.observations[:, -1]))
            if len(tokens) == wm.tokens_per_frame:
                break
            output = wm(tokens[-1][:, None], self.cache)
        if not self.packed:
            wm.hidden(tokens[-1][:, None], self.cache)
        return torch.stack(tokens, dim=1)


def fill_left(x: Tensor, mask: Tensor) -> Tensor:
    """Put each row's first real entry in its padding on the left.

    x: (B, T, ...), mask: (B, T) bool, True where real, and real at the last step.
    """
    first = mask.int().argmax(dim=1, keepdim=True)  # (B, 1)
    at = torch.arange(x.shape[1], device=x.device).maximum(first)  # (B, T)
    return x[torch.arange(len(x), device=x.device)[:, None], at]


def imagine(
    agent: Agent,
    batch: Batch,
    horizon: int,
    sample: Sampler = categorical,
    tokens: Tensor | None = None,
    seen: Tensor | None = None,
    dream: DreamEnv | None = None,
) -> Rollout:
    """Let the policy act in its world model for `horizon` steps.

    batch: (B, burn_in + 1) real steps, padded on the left; the dream starts at the last
    frame, the LSTM's memory and the dream's context come from those before it. Logits
    and values keep their graph; nothing else has one. slow_critic: whose values the
    returns bootstrap from; the policy's own if None. tokens: of the batch's frames,
    (B, burn_in + 1, K), and seen: what these decode to, if they are known. dream: to
    use again, with its cache; a new one of the agent's if None.
    """
    dream = dream or DreamEnv.of(agent, sample)
    wanted = agent.config.world_model.dream_context
    context = dream.context = min(wanted, batch.mask.shape[1])
    with torch.no_grad():
        if tokens is None:
            tokens = agent.tokenizer.tokenize(batch.frames)  # (B, T, K)
        if seen is None:
            seen = agent.tokenizer.decode(tokens)  # (B, T, 3, 64, 64)
        before, mask = seen[:, :-1], batch.mask[:, :-1]
        start = memory = agent.actor_critic.burn_in(before, mask)
        tokens = fill_left(tokens, batch.mask)[:, -context:]
        frames = dream.start(tokens, batch.actions[:, -context:-1], seen[:, -1])
    steps: list[tuple[Tensor, ...]] = []
    for t in range(horizon):
        logits, values, memory = agent.actor_critic(frames, memory)
        actions = sample(logits.detach())
        now = frames
        frames, rewards, ends = dream.step(actions, predict_frame=t < horizon - 1)
        steps.append((now, actions, logits, values, rewards, ends))
    frames, actions, logits, values, rewards, ends = (
        torch.stack(each, dim=1) for each in zip(*steps, strict=True)
    )
    bootstrap = values.detach()
    return Rollout(
        frames, actions, logits, values, rewards, ends, bootstrap, start, (before, mask)
    )
