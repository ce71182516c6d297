"""Every setting of a run: the paper's, and beside them our departures from it.

A class here adds settings to the class of that name in `iris_core.config.paper`; their
defaults leave the method as it is. So `Config()` is the paper's configuration, a preset
lists only what it changes, and `departures(config)` can name every change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from iris_core.config import paper
from iris_core.config.paper import EnvConfig
from iris_core.config.setting import part, setting, walk


@dataclass
class UpdatesConfig(paper.UpdatesConfig):
    """When and how one component is trained."""

    stop_after_epoch: int = setting(0, "frozen after this epoch; 0: never", low=0)
    first_epoch_steps: int = setting(
        0, "updates in its first epoch, if more than usual; 0: no difference", low=0
    )
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


@dataclass
class WorldModelUpdatesConfig(UpdatesConfig, paper.WorldModelUpdatesConfig):
    """When and how the world model is trained."""

    muon: bool = setting(
        False,
        "Muon instead of AdamW for the matrices inside the Transformer: rare effects,"
        " such as what an action does, are learned sooner",
    )


@dataclass
class TokenizerLossConfig(paper.TokenizerLossConfig):
    """Weights of the tokenizer's loss."""

    l2: float = setting(0.0, "mean squared error of the frame", low=0.0)
    worst_pixel: float = setting(
        0.0, "squared error of the frame's worst pixel: small objects survive", low=0.0
    )
    foreground: float = setting(
        0.0,
        "extra weight of pixels that differ from the background, because a ball of four"
        " pixels is nothing in a mean over 4,096",
        low=0.0,
    )


@dataclass
class TokenizerConfig(paper.TokenizerConfig):
    """The discrete autoencoder."""

    architecture: str = setting(
        "vqgan",
        "vqgan: the paper's convolutions; patch: each token sees its own patch alone,"
        " so a still background gives still tokens, and it is many times cheaper",
        choices=("vqgan", "patch"),
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
class WorldModelConfig(paper.WorldModelConfig):
    """The Transformer over tokens and actions."""

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
    positions: str = setting(
        "table",
        "table: an embedding for each position; place_and_time: the sum of two, for the"
        " place in the block and for the block (autoregressive only), so that what is"
        " learned of one frame holds for all",
        choices=("table", "place_and_time"),
    )
    qk_norm: bool = setting(
        False,
        "normalise queries and keys to one length (autoregressive only): attention"
        " finds what matters sooner, such as the action",
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
    updates: WorldModelUpdatesConfig = part(
        partial(WorldModelUpdatesConfig, start_after_epoch=25, batch_size=64)
    )


@dataclass
class ActorCriticConfig(paper.ActorCriticConfig):
    """The policy and value network and how it learns in imagination."""

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
    updates: UpdatesConfig = part(
        partial(UpdatesConfig, start_after_epoch=50, batch_size=64)
    )


@dataclass
class CollectionConfig(paper.CollectionConfig):
    """How the agent plays the real game to gather experience."""

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


@dataclass
class EvaluationConfig(paper.EvaluationConfig):
    """Tests during training and after it."""

    final_baselines: bool = setting(True, "measure random and constant-action play too")
    keep_best: bool = setting(
        False,
        "end with the agent of the best evaluation, because returns rise and fall",
    )


@dataclass
class TrainingConfig(paper.TrainingConfig):
    """The epoch loop."""

    cpu_minutes: float = setting(
        0.0,
        "train for so many CPU minutes, tests left out, instead of `epochs`: no epoch"
        " begins after them, and each collects; 0: epochs decide",
        low=0.0,
    )
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
    threads: int = setting(
        0, "CPU threads torch may use; 0: torch decides", low=0, high=4_096
    )
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


def departures(config: Config) -> list[tuple[str, Any, Any, str]]:
    """Where a config leaves the paper: (name, paper's value, its value, what it is)."""
    papers = {name: value for name, value, _ in walk(Config())}
    return [
        (name, papers[name], value, f.metadata["about"])
        for name, value, f in walk(config)
        if value != papers[name]
    ]
