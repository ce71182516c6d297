"""Every setting, typed, with the paper's value as its default.

The defaults ARE the paper's configuration (Micheli et al., 2023, appendix A), so a
preset lists only what it changes, and `departures(config)` can name every one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any


class ConfigError(ValueError):
    """A setting that cannot be used: says which, the value given, and what to do."""


def setting(
    default: Any,
    about: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that carries its meaning and its valid range."""
    metadata = {"about": about, "low": low, "high": high, "choices": choices}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def part(kind: type) -> Any:
    """A dataclass field that holds a nested group of settings."""
    return field(default_factory=kind)


@dataclass
class EnvConfig:
    """The game and the paper's preprocessing (section 3, appendix A)."""

    game: str = setting("Breakout", "ALE game, e.g. Breakout; or Catch, the toy game")
    num_envs: int = setting(
        1, "environments stepped side by side while collecting", low=1
    )
    frame_skip: int = setting(4, "raw frames an action is held for", low=1)
    noop_max: int = setting(
        30, "at most this many no-ops after a reset (training)", low=1
    )
    max_raw_frames: int = setting(20_000, "raw frames in a training episode", low=1)
    end_on_life_loss: bool = setting(True, "a lost life ends a training episode")
    test_noop_max: int = setting(
        1, "at most this many no-ops after a reset (test)", low=1
    )
    test_max_raw_frames: int = setting(108_000, "raw frames in a test episode", low=1)


@dataclass
class UpdatesConfig:
    """When and how one component is trained."""

    start_after_epoch: int = setting(
        5, "first trained in the epoch after this one", low=0
    )
    stop_after_epoch: int = setting(0, "frozen after this epoch; 0: never", low=0)
    steps_per_epoch: int = setting(200, "updates an epoch", low=0)
    first_epoch_steps: int = setting(
        0, "updates in its first epoch, if more than usual; 0: no difference", low=0
    )
    batch_size: int = setting(256, "samples in an update", low=1)
    learning_rate: float = setting(1e-4, "Adam's step size", low=0.0)
    warmup_steps: int = setting(0, "updates over which the step size grows", low=0)
    decay_over: int = setting(
        0,
        "updates over which the step size falls in a line to a twentieth, where it"
        " stays: what it knows settles before others build on it; 0: it does not fall",
        low=0,
    )
    anneal_from: float = setting(
        1.0,
        "share of the run after which the step size falls in a line, to nothing at its"
        " end: what swings comes to rest; 1: it does not fall",
        low=0.0,
        high=1.0,
    )
    weight_decay: float = setting(0.0, "AdamW's decay of linear weights", low=0.0)
    clip_norm: float = setting(10.0, "largest norm of the gradient", low=0.0)


@dataclass
class TokenizerLossConfig:
    """Weights of the tokenizer's loss (equation 4 of the paper; all 1)."""

    l1: float = setting(1.0, "mean absolute error of the frame", low=0.0)
    l2: float = setting(0.0, "mean squared error of the frame", low=0.0)
    worst_pixel: float = setting(
        0.0, "squared error of the frame's worst pixel: small objects survive", low=0.0
    )
    perceptual: float = setting(1.0, "LPIPS (VGG16), which needs its weights", low=0.0)
    codebook: float = setting(1.0, "codes move to the encoder: |sg(z) - e|^2", low=0.0)
    commitment: float = setting(
        1.0, "the encoder stays at its codes: |z - sg(e)|^2", low=0.0
    )
    foreground: float = setting(
        0.0,
        "extra weight of pixels that differ from the background, because a ball of four"
        " pixels is nothing in a mean over 4,096",
        low=0.0,
    )
    lpips_weights: str = setting(
        "download",
        "where LPIPS's weights come from: download, or a published checkpoint",
    )


@dataclass
class TokenizerConfig:
    """The discrete autoencoder (section 2.1, table 3)."""

    architecture: str = setting(
        "vqgan",
        "vqgan: the paper's convolutions; patch: each token sees its own patch alone,"
        " so a still background gives still tokens, and it is many times cheaper",
        choices=("vqgan", "patch"),
    )
    vocab_size: int = setting(512, "codes in the codebook, N", low=2)
    embed_dim: int = setting(512, "size of a code, d", low=1)
    z_channels: int = setting(512, "channels of the encoder's output", low=1)
    channels: int = setting(64, "channels of the convolutions", low=1)
    levels: int = setting(
        5, "resolutions: 64, 32, 16, 8, 4; one token a cell of the last", low=1, high=6
    )
    num_res_blocks: int = setting(
        2, "residual blocks a level (decoder: one more)", low=1
    )
    attention_resolutions: list[int] = setting(
        [8, 16], "self-attention at these widths"
    )
    subtract_background: bool = setting(
        False,
        "encode the frame minus the game's median frame, and add it back in decoding:"
        " the codes are spent on what moves",
    )
    kmeans_start: bool = setting(
        False,
        "start the codebook from k-means over patches: a random start collapses at"
        " small sizes",
    )
    revive_dead_codes: bool = setting(
        False, "give a code that nothing uses the value of a badly served patch"
    )
    loss: TokenizerLossConfig = part(TokenizerLossConfig)
    updates: UpdatesConfig = part(UpdatesConfig)


@dataclass
class WorldModelConfig:
    """The Transformer over tokens and actions (section 2.2, table 4)."""

    max_blocks: int = setting(
        20, "frames the Transformer remembers, and training length", low=2
    )
    num_layers: int = setting(10, "Transformer layers", low=1)
    num_heads: int = setting(4, "attention heads", low=1)
    embed_dim: int = setting(256, "width", low=1)
    dropout: float = setting(
        0.1, "embedding, attention and residual dropout", low=0.0, high=0.99
    )
    attention: str = setting(
        "causal",
        "causal: a token sees the tokens before it; block_causal: its whole frame too",
        choices=("causal", "block_causal"),
    )
    prediction: str = setting(
        "autoregressive",
        "autoregressive: the next frame token by token; parallel: all its tokens in one"
        " pass (after REM, Cohen et al., 2024), many times cheaper to dream with",
        choices=("autoregressive", "parallel"),
    )
    tokens_per_position: int = setting(
        1,
        "neighbouring tokens that share a position of the Transformer (parallel only):"
        " 4 make the sequence four times shorter",
        low=1,
    )
    dream_temperature: float = setting(
        1.0,
        "of the sampling of frame tokens in a dream; below 1 in games of little chance,"
        " so that a rare slip does not put a second ball on the screen",
        low=1e-6,
    )
    dream_context: int = setting(
        1,
        "real frames a dream starts from; one does not say which way a ball flies",
        low=1,
    )
    codebook_start: bool = setting(
        False,
        "begin with the codebook in the tables of codes, in and out, so that codes that"
        " look alike are alike: what is learned of one holds for the others",
    )
    changed_weight: float = setting(
        0.0,
        "extra weight of tokens that change from one frame to the next: most do not,"
        " and copying those is learned at once",
        low=0.0,
    )
    event_share: float = setting(
        0.0,
        "share of the segments that are placed to hold a reward or an end, where there"
        " is one: both are rare, and a dream without them teaches nothing",
        low=0.0,
        high=1.0,
    )
    surprise_share: float = setting(
        0.0,
        "share of the segments that are drawn by how badly the world model foresaw"
        " their steps when it last saw them: what decides a game is rare",
        low=0.0,
        high=1.0,
    )
    updates: UpdatesConfig = field(
        default_factory=lambda: UpdatesConfig(
            start_after_epoch=25, batch_size=64, weight_decay=0.01
        )
    )


@dataclass
class ActorCriticConfig:
    """The policy and value network and how it learns in imagination (section 2.3)."""

    channels: list[int] = setting([32, 32, 64, 64], "channels of the convolutions")
    lstm_dim: int = setting(512, "cells of the LSTM", low=1)
    strided: bool = setting(
        False,
        "three strided convolutions (8x8 by 4, 3x3 by 2 twice) instead of four with"
        " pooling: many times cheaper",
    )
    subtract_background: bool = setting(
        False,
        "see the frame minus the median frame, doubled: a ball is not lost in a wall",
    )
    normalise_features: bool = setting(
        False, "LayerNorm before the LSTM and orthogonal weights: faster early learning"
    )
    burn_in: int = setting(20, "frames the LSTM sees before a dream starts", low=0)
    horizon: int = setting(20, "imagined steps in a rollout, H", low=2)
    gamma: float = setting(0.995, "discount", low=0.0, high=1.0)
    lam: float = setting(
        0.95, "mix of one-step and long returns, lambda", low=0.0, high=1.0
    )
    entropy_weight: float = setting(0.001, "weight of the entropy bonus, eta", low=0.0)
    event_share: float = setting(
        0.0,
        "share of the dreams that start at most `horizon` steps before a reward or an"
        " end that was really met: elsewhere dreams seldom meet one",
        low=0.0,
        high=1.0,
    )
    surprise_share: float = setting(
        0.0,
        "share of the dreams that start at most `horizon` steps before a step that the"
        " world model foresaw badly: there, most is decided",
        low=0.0,
        high=1.0,
    )
    mask_after_end: bool = setting(
        False, "steps after an imagined end do not train, for they never happen"
    )
    normalise_advantages: bool = setting(
        False, "divide advantages by their spread, so that sparse rewards still teach"
    )
    updates_per_dream: int = setting(
        1,
        "gradient steps on each dream; more than 1 use PPO's clipped ratio, because"
        " dreaming costs more than learning from a dream",
        low=1,
    )
    target_decay: float = setting(
        0.0,
        "the returns bootstrap from a slow copy of the critic that keeps this share of"
        " itself an update; 0: from the critic itself",
        low=0.0,
        high=1.0,
    )
    updates: UpdatesConfig = field(
        default_factory=lambda: UpdatesConfig(start_after_epoch=50, batch_size=64)
    )


@dataclass
class CollectionConfig:
    """How the agent plays the real game to gather experience."""

    epochs: int = setting(500, "epochs that collect; later ones only train", low=0)
    steps_per_epoch: int = setting(200, "environment steps an epoch", low=1)
    warm_start_steps: int = setting(
        0,
        "steps of sticky random play before the first epoch, so that a first reward is"
        " seen: uniform random play never crosses Freeway's road",
        low=0,
    )
    warm_start_repeat: float = setting(
        0.95, "chance to repeat the last action in the warm start", low=0.0, high=0.999
    )
    warm_start_habits: bool = setting(
        False,
        "in the warm start each environment favours some actions for a while, then"
        " others, often those that paid: a player who mostly goes up gets somewhere",
    )
    epsilon: float = setting(0.01, "chance of a random action", low=0.0, high=1.0)
    temperature: float = setting(
        1.0, "of the policy's sampling; the paper uses 0.01 in Freeway", low=1e-6
    )


@dataclass
class EvaluationConfig:
    """Tests during training and after it."""

    every: int = setting(5, "epochs between two evaluations", low=1)
    episodes: int = setting(16, "test episodes in each; the last 16 are kept", low=1)
    num_envs: int = setting(8, "test environments side by side", low=1)
    temperature: float = setting(0.5, "of the policy's sampling in tests", low=1e-6)
    epsilon: float = setting(
        0.0, "chance of a random action in tests", low=0.0, high=1.0
    )
    final_episodes: int = setting(100, "test episodes after training", low=1)
    final_baselines: bool = setting(True, "measure random and constant-action play too")
    keep_best: bool = setting(
        False,
        "end with the agent of the best evaluation, because returns rise and fall",
    )


@dataclass
class TrainingConfig:
    """The epoch loop (appendix A, algorithm 1)."""

    epochs: int = setting(600, "epochs", low=1)
    cpu_minutes: float = setting(
        0.0,
        "train for so many CPU minutes, tests left out, instead of `epochs`: no epoch"
        " begins after them, and each collects; 0: epochs decide",
        low=0.0,
    )
    checkpoint_every: int = setting(1, "epochs between two checkpoints", low=1)
    reconstructions_gib: float = setting(
        5.0,
        "memory, in GiB, for the replay's frames as the policy sees them: each is then"
        " decoded once an epoch; 100,000 frames are 4.6, on CUDA 2.3",
        low=0.0,
    )


@dataclass
class InitConfig:
    """Parts of another checkpoint to start from."""

    path: str = setting(
        "", "an own agent, run folder or published checkpoint; empty: none"
    )
    tokenizer: bool = setting(True, "take its tokenizer")
    world_model: bool = setting(True, "take its world model")
    actor_critic: bool = setting(True, "take its actor-critic")


@dataclass
class WandbConfig:
    """Weights & Biases (pip install 'iris_core[wandb]')."""

    mode: str = setting(
        "disabled", "where to log", choices=("online", "offline", "disabled")
    )
    project: str = setting("iris", "project name")
    name: str = setting("", "run name; empty: the run folder's")


@dataclass
class Config:
    """A whole run."""

    seed: int = setting(0, "of every random number", low=0)
    device: str = setting("auto", "auto, cpu, cuda, cuda:0, mps")
    autocast: str = setting(
        "cuda",
        "where bf16 autocast is used: cuda, always, never; measured: on cuda, and on a"
        " CPU that multiplies faster in bf16",
        choices=("cuda", "always", "never", "measured"),
    )
    threads: int = setting(0, "CPU threads torch may use; 0: torch decides", low=0)
    outputs: str = setting("outputs", "folder that run folders are made in")
    env: EnvConfig = part(EnvConfig)
    tokenizer: TokenizerConfig = part(TokenizerConfig)
    world_model: WorldModelConfig = part(WorldModelConfig)
    actor_critic: ActorCriticConfig = part(ActorCriticConfig)
    collection: CollectionConfig = part(CollectionConfig)
    evaluation: EvaluationConfig = part(EvaluationConfig)
    training: TrainingConfig = part(TrainingConfig)
    init: InitConfig = part(InitConfig)
    wandb: WandbConfig = part(WandbConfig)


def walk(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every setting of a config as (dotted name, value, its dataclass field)."""
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            yield from walk(value, f"{prefix}{f.name}.")
        else:
            yield f"{prefix}{f.name}", value, f


def shown(value: Any) -> str:
    """A value as an override would give it."""
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value).replace(" ", "")


def departures(config: Config) -> list[tuple[str, Any, Any, str]]:
    """Where a config leaves the paper: (name, paper's value, its value, what it is)."""
    paper = {name: value for name, value, _ in walk(Config())}
    return [
        (name, paper[name], value, f.metadata["about"])
        for name, value, f in walk(config)
        if value != paper[name]
    ]
