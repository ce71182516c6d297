"""IRIS in one file: an agent that learns a game inside its own dream of it.

An autoencoder turns a frame into 16 tokens, integers that index a codebook. Given an
action, a GPT predicts the reward, the end, and the next frame's tokens, one by one. Run
on its own output, it dreams the game. The policy learns only in that dream. After
"Transformers are Sample-Efficient World Models" (Micheli, Alonso, Fleuret; ICLR 2023).
The main departures from it, to learn in minutes on one CPU core, are marked.
`python notebooks/my_iris.py` learns CoarseCatch and films the game beside its dream.

Shapes: B batch, T time, C frames of context, K tokens of a frame, N codes, A actions,
E width, H heads, d size of a code or a head, L positions.
"""

import argparse
import math
import random
import time
from collections import namedtuple
from dataclasses import asdict, dataclass
from statistics import fmean

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from iris_core.config.paper import EnvConfig
from iris_core.envs import make_env


@dataclass
class Settings:
    game: str = "CoarseCatch"  # or Pong: Atari wants a GPU, hours and larger numbers
    seed: int = 0
    device: str = "cpu"  # or cuda
    # Frames to tokens
    patch: int = 16  # pixels along the side of a token's square: K = (64 / patch)^2
    codes: int = 256  # N, of the codebook, which is the world model's vocabulary
    code_dim: int = 16  # numbers in a code
    # The world model
    blocks: int = 5  # frames, each with its action, that it sees at once
    layers: int = 2
    heads: int = 4
    width: int = 128  # E
    # The policy and its dreams
    channels: int = 16  # of the first convolution
    lstm: int = 128
    context: int = 2  # C real frames that LSTM and dream follow: two show a ball's way
    horizon: int = 9  # actions in a dream
    gamma: float = 0.995  # discount of a step
    lam: float = 0.95  # 0: returns look one step ahead; 1: to the end of the dream
    entropy: float = 0.001  # weight of the bonus: more is more exploration
    # The loop: each part starts when those that it depends on have learned
    epochs: int = 40  # 60,000 steps of the game; the paper has 100,000
    steps: int = 1500  # of the game per epoch, at least: no episode is cut short
    world_model_from: int = 8  # the tokenizer stops here: tokens keep their meaning
    policy_from: int = 18
    tokenizer_updates: int = 300  # per epoch
    world_model_updates: int = 30
    policy_updates: int = 32
    tokenizer_batch: int = 32  # frames
    world_model_batch: int = 32  # segments of `blocks` steps
    policy_batch: int = 32  # dreams
    tokenizer_lr: float = 2e-3
    world_model_lr: float = 4e-3
    policy_lr: float = 2e-3
    test_episodes: int = 200  # fewer for Atari: one may last 27,000 steps


class Tokenizer(nn.Module):
    """A discrete autoencoder of frames (B, 3, 64, 64) in [0, 1] (section 2.1)."""

    def __init__(self, s):
        super().__init__()
        self.patch, pixels = s.patch, 3 * s.patch**2
        self.encoder, self.decoder = (  # of one patch (in the paper, convolutions)
            nn.Sequential(nn.Linear(i, 128), nn.SiLU(), nn.Linear(128, o))
            for i, o in ((pixels, s.code_dim), (s.code_dim, pixels))
        )
        self.codebook = nn.Embedding(s.codes, s.code_dim)
        self.register_buffer("idle", torch.full((s.codes,), 1000))  # updates since use

    def quantise(self, frames):
        patches = F.unfold(2 * frames - 1, self.patch, stride=self.patch)
        z = self.encoder(patches.mT)  # (B, K, 3 * patch^2) -> (B, K, d)
        e = self.codebook.weight  # (N, d)
        far = e.square().sum(1) - 2 * z @ e.T  # |z - e|^2 less |z|^2: (B, K, N)
        return z, far.argmin(-1)  # (B, K, d), (B, K)

    @torch.no_grad()
    def encode(self, frames):
        return self.quantise(frames.flatten(0, -4))[1].unflatten(0, frames.shape[:-3])

    def draw(self, e):
        patches = self.decoder(e).mT  # (B, 3 * patch^2, K)
        return (F.fold(patches, 64, self.patch, stride=self.patch) + 1) / 2

    def decode(self, tokens):
        return self.draw(self.codebook(tokens)).clamp(0, 1)

    def loss(self, frames):
        """Equation 4 with other weights, and with the squared error in place of the
        absolute one and of LPIPS: by the absolute one, what is rare is not drawn."""
        z, tokens = self.quantise(frames)
        e = self.codebook(tokens)
        drawn = self.draw(z + (e - z).detach())  # straight-through: as if e were z
        codebook = (z.detach() - e).pow(2).mean()  # codes go to the encoder's output
        commitment = (z - e.detach()).pow(2).mean()  # and that stays with its codes
        self.idle += 1
        self.idle[tokens] = 0
        return 10 * (drawn - frames).pow(2).mean() + codebook + 0.25 * commitment

    @torch.no_grad()
    def revive(self, frames):
        """Move unused codes to z that are far from their code. (Not in the paper.)"""
        z, tokens = (x.flatten(0, 1) for x in self.quantise(frames))  # (B * K, d)
        far = (z - self.codebook(tokens)).pow(2).sum(1) + 1e-12
        dead = (self.idle > 100).nonzero().flatten()[: len(z)]
        if len(dead) > 0:
            self.codebook.weight[dead] = z[far.multinomial(len(dead))]
            self.idle[dead] = 0


class Block(nn.Module):  # attention, then an MLP
    def __init__(self, s):
        super().__init__()
        e, self.heads = s.width, s.heads
        self.ln1, self.ln2 = nn.LayerNorm(e), nn.LayerNorm(e)
        self.qkv, self.proj = nn.Linear(e, 3 * e), nn.Linear(e, e)
        self.mlp = nn.Sequential(nn.Linear(e, 4 * e), nn.GELU(), nn.Linear(4 * e, e))

    def forward(self, x, kv, start):
        qkv = self.qkv(self.ln1(x)).unflatten(2, (3, self.heads, -1))  # (B, L, 3, H, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, L, d)
        q, k = (F.rms_norm(y, y.shape[-1:]) for y in (q, k))  # (not in the paper)
        if kv is not None:  # the cache: append to what is there, read all of it
            stop = start + x.shape[1]
            kv[..., start:stop, :] = torch.stack([k, v])
            k, v = kv[..., :stop, :]
        scores = q @ k.mT / math.sqrt(q.shape[-1])  # (B, H, L, start + L)
        later = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(start + 1)
        y = scores.masked_fill(later, -math.inf).softmax(-1) @ v  # (B, H, L, d)
        x = x + self.proj(y.transpose(1, 2).flatten(2))  # (B, L, E)
        return x + self.mlp(self.ln2(x))


class Transformer(nn.Module):  # a GPT's blocks, over what is embedded elsewhere
    def __init__(self, s):
        super().__init__()
        self.blocks = nn.ModuleList(Block(s) for _ in range(s.layers))
        self.ln_f = nn.LayerNorm(s.width)

    def forward(self, x, cache, start):  # (B, L, E) -> (B, L, E)
        for i, block in enumerate(self.blocks):
            x = block(x, None if cache is None else cache[i], start)
        return self.ln_f(x)


class WorldModel(nn.Module):
    """Reads K tokens, an action, K tokens ... A position predicts the next token, an
    action's also the reward and the end (equations 1 to 3)."""

    def __init__(self, s, actions):
        super().__init__()
        self.s, self.k = s, (64 // s.patch) ** 2
        self.length = s.blocks * (self.k + 1)  # positions there are
        self.embedding = nn.Embedding(s.codes + actions, s.width)  # actions come last
        self.place_emb = nn.Embedding(self.k + 1, s.width)  # (not in the paper)
        self.time_emb = nn.Embedding(s.blocks, s.width)  # of the block
        self.transformer = Transformer(s)
        self.head_observations, self.head_rewards, self.head_ends = (
            nn.Sequential(nn.Linear(s.width, s.width), nn.ReLU(), nn.Linear(s.width, n))
            for n in (s.codes, 3, 2)  # rewards by their sign: -1, 0, 1
        )
        for name, p in self.named_parameters():
            if "ln" not in name:  # weights 0.02, biases 0
                nn.init.normal_(p, std=0.02 * (p.ndim == 2))

    def forward(self, ids, cache=None, start=0):
        """ids (B, L), after `start` others -> what the heads read, (B, L, E)."""
        at = torch.arange(start, start + ids.shape[1], device=ids.device)
        places = self.place_emb(at % (self.k + 1)) + self.time_emb(at // (self.k + 1))
        return self.transformer(self.embedding(ids) + places, cache, start)

    def ids(self, tokens, actions):
        """(..., K) and (...) -> (..., K + 1): blocks in the joint vocabulary."""
        return torch.cat([tokens, actions[..., None] + self.s.codes], dim=-1)

    def loss(self, tokens, batch):
        """Cross-entropies of tokens (B, T, K), rewards and ends; and, of the tokens
        that differ from the frame before, the share that it predicts right."""
        ids, mask = self.ids(tokens, batch.actions), batch.mask  # (B, T, K + 1), (B, T)
        x = self(ids.flatten(1)).unflatten(1, ids.shape[1:])  # (B, T, K + 1, E)
        next_ids = ids.masked_fill(~mask[..., None], -1)
        next_ids[..., -1] = -1  # actions are not predicted
        next_ids = next_ids.flatten(1)[:, 1:]  # (B, L - 1)
        known = next_ids >= 0
        logits = self.head_observations(x.flatten(1, 2)[:, :-1][known])  # (tokens, N)
        action = x[:, :, -1][mask]  # (steps, E)
        rewards, ends = self.head_rewards(action), self.head_ends(action)
        loss = F.cross_entropy(logits, next_ids[known])
        loss += F.cross_entropy(rewards, batch.rewards[mask].sign().long() + 1)
        loss += F.cross_entropy(ends, batch.ends[mask].long())
        before = torch.cat([ids[:, :1], ids[:, :-1]], dim=1).flatten(1)[:, 1:]
        changed = (next_ids != before)[known]
        return loss, (logits.argmax(-1) == next_ids[known])[changed].float().mean()


def sample(logits):
    return logits.softmax(-1).multinomial(1)[:, 0]  # (B, n) -> (B,)


class Dream:  # the world model as an environment of B games (section 2.3)
    def __init__(self, tokenizer, world_model):
        self.tokenizer, self.model = tokenizer, world_model

    @torch.no_grad()
    def reset(self, tokens, actions):
        """Follow C frames (B, C, K) and the actions between. (In the paper, C = 1.)"""
        self.past = list(self.model.ids(tokens[:, :-1], actions).unbind(1))
        self.tokens = tokens[:, -1]
        self.fill()
        return self.tokenizer.decode(self.tokens)

    def fill(self):
        """Read what went before; the last token is held back, for the next action."""
        m, b = self.model, len(self.tokens)
        shape = m.s.layers, 2, b, m.s.heads, m.length, m.s.width // m.s.heads
        self.cache, self.size = torch.empty(shape, device=m.s.device), 0
        self.read(torch.cat([*self.past, self.tokens[:, :-1]], dim=1))

    def read(self, ids):
        x = self.model(ids, self.cache, self.size)  # (B, L, E)
        self.size += ids.shape[1]
        return x[:, -1]

    @torch.no_grad()
    def step(self, actions):
        """actions (B,) -> frames (B, 3, 64, 64), rewards (B,), ends (B,) bool."""
        m = self.model
        if self.size + m.k + 1 > m.length:  # full: keep only the last C frames
            self.past = self.past[len(self.past) + 1 - m.s.context :]
            self.fill()
        self.past.append(m.ids(self.tokens, actions))  # (B, K + 1)
        x = self.read(self.past[-1][:, -2:])
        rewards, ends = sample(m.head_rewards(x)) - 1, sample(m.head_ends(x))
        frame = [sample(m.head_observations(x))]
        while len(frame) < m.k:
            frame.append(sample(m.head_observations(self.read(frame[-1][:, None]))))
        self.tokens = torch.stack(frame, dim=1)  # (B, K)
        return self.tokenizer.decode(self.tokens), rewards.float(), ends.bool()


class ActorCritic(nn.Module):
    """Sees frames as the tokenizer draws them. (In the paper, convolutions pool.)"""

    def __init__(self, s, actions):
        super().__init__()
        self.s, c = s, s.channels
        shapes = (3, c, 8, 4, 2), (c, 2 * c, 3, 2, 1), (2 * c, 2 * c, 3, 2, 1)
        self.convs = nn.ModuleList(nn.Conv2d(*shape) for shape in shapes)
        self.norm = nn.LayerNorm(2 * c * 16)
        self.lstm = nn.LSTMCell(2 * c * 16, s.lstm)
        self.actor_linear = nn.Linear(s.lstm, actions)
        self.critic_linear = nn.Linear(s.lstm, 1)
        self.register_buffer("background", torch.full((3, 64, 64), 0.5))

    def new_state(self, batch):
        return 2 * (torch.zeros(batch, self.s.lstm, device=self.s.device),)

    def forward(self, frames, state):
        """(B, 3, 64, 64) -> logits (B, A), values (B,), the state afterwards."""
        x = 2 * (frames - self.background)
        for conv in self.convs:
            x = F.relu(conv(x))  # 64 -> 16 -> 8 -> 4 pixels wide
        state = self.lstm(self.norm(x.flatten(1)), state)  # two of (B, lstm)
        return self.actor_linear(state[0]), self.critic_linear(state[0])[:, 0], state

    def loss(self, actions, logits, values, rewards, ends):
        """Appendix B: REINFORCE with the value as its baseline, and an entropy bonus.
        (Only here: nothing is learned after an end; advantages are standardised.)"""
        gamma, lam, bonus = self.s.gamma, self.s.lam, self.s.entropy
        returns = lambda_returns(rewards, values.detach(), ends, gamma, lam)
        live = (ends.cumsum(1) == ends.long())[:, :-1]  # the last has no target
        error = (returns - values)[:, :-1][live]
        advantages = error.detach() / error.detach().std(correction=0).clamp(min=0.01)
        log_probs = logits[:, :-1][live].log_softmax(-1)  # (steps, A)
        taken = log_probs.gather(1, actions[:, :-1][live][:, None])[:, 0]
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        return error.pow(2).mean() - (taken * advantages + bonus * entropy).mean()


def lambda_returns(rewards, values, ends, gamma, lam):
    """Equation 6, (B, T) each; the last return is the last value."""
    returns = [values[:, -1]]
    for t in reversed(range(values.shape[1] - 1)):
        future = (1 - lam) * values[:, t + 1] + lam * returns[-1]
        returns.append(rewards[:, t] + gamma * ~ends[:, t] * future)
    return torch.stack(returns[::-1], dim=1)


def imagine(dream, policy, batch):
    """What `policy.loss` takes: the policy acts in dreams that follow C real frames."""
    tokens = dream.tokenizer.encode(batch.frames)  # (B, C, K)
    state = policy.new_state(len(tokens))
    with torch.no_grad():  # burn-in: the LSTM sees the frames before the last
        for t in range(tokens.shape[1] - 1):
            new = policy(dream.tokenizer.decode(tokens[:, t]), state)[2]
            state = tuple(map(torch.where, 2 * (batch.mask[:, t, None],), new, state))
    frames, steps = dream.reset(tokens, batch.actions[:, :-1]), []
    for _ in range(policy.s.horizon):
        logits, values, state = policy(frames, state)
        actions = sample(logits.detach())
        frames, rewards, ends = dream.step(actions)
        steps.append((actions, logits, values, rewards, ends))
    return [torch.stack(each, dim=1) for each in zip(*steps, strict=True)]


# mask: False beyond an episode's first and last step, which are repeated there.
Batch = namedtuple("Batch", "frames actions rewards ends mask")  # (B, T, ...) each


def segments(episodes, s, batch, length, last=False):
    """A batch of segments that begin, or end, at any step of any episode."""
    rows = []
    for episode in random.choices(episodes, k=batch):
        steps = len(episode[0])
        first = random.randrange(steps) - (length - 1) * last
        at = torch.arange(first, first + length)
        row = [x[at.clamp(0, steps - 1)] for x in episode]
        rows.append([*row, (at >= 0) & (at < steps)])
    frames, *rest = (torch.stack(x).to(s.device) for x in zip(*rows, strict=True))
    return Batch(frames / 255, *rest)


@torch.no_grad()
def play(env, tokenizer, policy):
    """An episode of the real game: T frames (uint8), actions, rewards, ends."""
    (pixels, _), state, steps, done = env.reset(), policy.new_state(1), [], False
    while not done:
        frame = torch.as_tensor(pixels).permute(2, 0, 1)  # (3, 64, 64)
        seen = tokenizer.decode(tokenizer.encode(frame[None].to(state[0]) / 255))
        logits, _, state = policy(seen, state)
        action = int(sample(logits))
        pixels, reward, terminated, truncated, _ = env.step(action)
        done = terminated or truncated
        steps.append((frame, action, float(reward), done))
    frames, *rest = zip(*steps, strict=True)
    return torch.stack(frames), *map(torch.tensor, rest)


class Optimizer:
    """Muon (not in the paper) for inner matrices, Adam for the rest; rates change."""

    def __init__(self, model, lr):
        self.params, self.done = dict(model.named_parameters()), 0
        inside = "encoder", "decoder", "transformer", "lstm"
        inner = [p for name, p in self.params.items() if name.startswith(inside)]
        muon = [p for p in inner if p.ndim == 2]
        rest = [p for p in self.params.values() if all(p is not m for m in muon)]
        muon = torch.optim.Muon(muon, weight_decay=0.01)
        self.parts = (muon, 10 * lr), (torch.optim.Adam(rest), lr)  # Muon wants more

    def step(self, loss, gone):  # gone: the share of its epochs that is over
        for part, _ in self.parts:
            part.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.params.values(), 10.0)
        self.done += 1
        for part, lr in self.parts:
            part.param_groups[0]["lr"] = lr * min(self.done / 100, max(1 - gone, 0.05))
            part.step()


def train(s):
    """Algorithm 1, with a line about each epoch."""
    random.seed(s.seed)
    torch.manual_seed(s.seed)
    env = make_env(EnvConfig(game=s.game), "train")
    env.reset(seed=s.seed)
    actions = int(env.action_space.n)
    parts = Tokenizer(s), WorldModel(s, actions), ActorCritic(s, actions)
    tokenizer, world_model, policy = (part.to(s.device) for part in parts)
    rates = s.tokenizer_lr, s.world_model_lr, s.policy_lr
    learn_tokenizer, learn_world_model, learn_policy = map(Optimizer, parts, rates)
    dream, episodes = Dream(tokenizer, world_model), []
    first, second = s.world_model_from, s.policy_from
    for epoch in range(s.epochs):
        new = []
        while sum(len(frames) for frames, *_ in new) < s.steps:
            new.append(play(env, tokenizer, policy))
        episodes += new
        told = {"return": fmean(float(rewards.sum()) for _, _, rewards, _ in new)}
        for i in range(s.tokenizer_updates if epoch < first else 0):
            frames = segments(episodes, s, s.tokenizer_batch, 1).frames[:, 0]
            if i % 10 == 0 and epoch < 0.7 * first:
                tokenizer.revive(frames)
            loss = tokenizer.loss(frames)
            learn_tokenizer.step(loss, epoch / first)
            told["tokenizer"] = loss.item()
        for _ in range(s.world_model_updates if epoch >= first else 0):
            batch = segments(episodes, s, s.world_model_batch, s.blocks)
            loss, share = world_model.loss(tokenizer.encode(batch.frames), batch)
            learn_world_model.step(loss, (epoch - first) / (s.epochs - first))
            told |= {"world model": loss.item(), "changed tokens": share.item()}
        if epoch == second:
            frames = torch.cat([frames for frames, *_ in episodes[-100:]])
            policy.background.copy_(frames.median(dim=0).values / 255)
        for _ in range(s.policy_updates if epoch >= second else 0):
            batch = segments(episodes, s, s.policy_batch, s.context, last=True)
            rollout = imagine(dream, policy, batch)
            loss, gone = policy.loss(*rollout), (epoch - second) / (s.epochs - second)
            learn_policy.step(loss, gone)
            caught = rollout[3] * (rollout[4].cumsum(1) == rollout[4].long())
            told["dreamed return"] = float(caught.sum(1).mean())
        figures = "  ".join(f"{name} {value:.3f}" for name, value in told.items())
        print(f"{time.process_time():5.0f} s  epoch {epoch}  {figures}", flush=True)
    return tokenizer, world_model, policy


def film(s, env, tokenizer, world_model, policy, path, most=90):
    """A GIF of the game beside the dream that its first frames and its actions make."""
    images, c, dream = [], s.context, Dream(tokenizer, world_model)
    while len(images) < most:
        frames, actions, *_ = play(env, tokenizer, policy)
        frames, actions = frames[:most].to(s.device) / 255, actions[None].to(s.device)
        tokens = tokenizer.encode(frames[None, :c])
        dreamed = [*frames[: c - 1], dream.reset(tokens, actions[:, : c - 1])[0]]
        for t in range(c - 1, len(frames) - 1):
            dreamed.append(dream.step(actions[:, t])[0][0])
        beside = torch.cat([frames, torch.stack(dreamed)], dim=3)  # (T, 3, 64, 128)
        for picture in (255 * beside).byte().permute(0, 2, 3, 1).cpu().numpy():
            images.append(Image.fromarray(picture).resize((512, 256), Image.NEAREST))
    images[0].save(path, save_all=True, append_images=images[1:], duration=120, loop=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Explained in my_iris.py's Settings.")
    for name, value in asdict(Settings()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    s = Settings(**vars(parser.parse_args()))
    s.context < s.blocks or parser.error("--context must be less than --blocks")
    torch.set_num_threads(1)  # for networks of this size, more would cost time
    agent = tokenizer, _, policy = train(s)
    torch.save([part.state_dict() for part in agent], "my_iris.pt")
    env, n = make_env(EnvConfig(game=s.game), "test"), s.test_episodes
    env.reset(seed=10_000 + s.seed)
    returns = [float(play(env, tokenizer, policy)[2].sum()) for _ in range(n)]
    print(f"{n} test episodes of {s.game}: {fmean(returns):.3f}. See my_iris.gif")
    film(s, env, *agent, "my_iris.gif")
