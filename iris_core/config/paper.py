"""The paper's settings, with its values (Micheli et al., 2023, appendix A).

Settings of our own are in `iris_core.config.departures`, as subclasses of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from iris_core.config.setting import part, setting


@dataclass
class EnvConfig:
    """The game and its preprocessing (section 3, appendix A)."""

    game: str = setting(
        "Breakout", "ALE game, e.g. Breakout; or a toy game: Catch, CoarseCatch"
    )
    num_envs: int = setting(
        1, "environments stepped side by side while collecting", low=1, high=1_024
    )
    frame_skip: int = setting(4, "raw frames an action is held for", low=1, high=10_000)
    noop_max: int = setting(
        30, "at most this many no-ops after a reset (training)", low=1, high=10_000
    )
    max_raw_frames: int = setting(20_000, "raw frames in a training episode", low=1)
    end_on_life_loss: bool = setting(True, "a lost life ends a training episode")
    test_noop_max: int = setting(
        1, "at most this many no-ops after a reset (test)", low=1, high=10_000
    )
    test_max_raw_frames: int = setting(108_000, "raw frames in a test episode", low=1)


@dataclass
class UpdatesConfig:
    """When and how one component is trained."""

    start_after_epoch: int = setting(
        5, "first trained in the epoch after this one", low=0
    )
    steps_per_epoch: int = setting(200, "updates an epoch", low=0)
    batch_size: int = setting(256, "samples in an update", low=1, high=65_536)
    learning_rate: float = setting(1e-4, "Adam's step size", low=0.0)
    clip_norm: float = setting(10.0, "largest norm of the gradient", low=0.0)


@dataclass
class WorldModelUpdatesConfig(UpdatesConfig):
    """The world model alone is trained by AdamW."""

    weight_decay: float = setting(0.01, "AdamW's decay of linear weights", low=0.0)


@dataclass
class TokenizerLossConfig:
    """Weights of the tokenizer's loss (equation 4; all 1)."""

    l1: float = setting(1.0, "mean absolute error of the frame", low=0.0)
    perceptual: float = setting(1.0, "LPIPS (VGG16), which needs its weights", low=0.0)
    codebook: float = setting(1.0, "codes move to the encoder: |sg(z) - e|^2", low=0.0)
    commitment: float = setting(
        1.0, "the encoder stays at its codes: |z - sg(e)|^2", low=0.0
    )
    lpips_weights: str = setting(
        "download",
        "where LPIPS's weights come from: download, or a published checkpoint",
    )


@dataclass
class TokenizerConfig:
    """The discrete autoencoder (section 2.1, table 3)."""

    vocab_size: int = setting(512, "codes in the codebook, N", low=2, high=2**15)
    embed_dim: int = setting(512, "size of a code, d", low=1, high=16_384)
    z_channels: int = setting(
        512, "channels of the encoder's output", low=1, high=16_384
    )
    channels: int = setting(64, "channels of the convolutions", low=1, high=16_384)
    levels: int = setting(
        5, "resolutions: 64, 32, 16, 8, 4; one token a cell of the last", low=1, high=6
    )
    num_res_blocks: int = setting(
        2, "residual blocks a level (decoder: one more)", low=1, high=64
    )
    attention_resolutions: list[int] = setting(
        [8, 16], "self-attention at these widths"
    )
    loss: TokenizerLossConfig = part(TokenizerLossConfig)
    updates: UpdatesConfig = part(UpdatesConfig)


@dataclass
class WorldModelConfig:
    """The Transformer over tokens and actions (section 2.2, table 4)."""

    max_blocks: int = setting(
        20, "frames the Transformer remembers, and training length", low=2, high=10_000
    )
    num_layers: int = setting(10, "Transformer layers", low=1, high=256)
    num_heads: int = setting(4, "attention heads", low=1, high=1_024)
    embed_dim: int = setting(256, "width", low=1, high=16_384)
    dropout: float = setting(
        0.1, "embedding, attention and residual dropout", low=0.0, high=0.99
    )
    updates: WorldModelUpdatesConfig = part(
        partial(WorldModelUpdatesConfig, start_after_epoch=25, batch_size=64)
    )


@dataclass
class ActorCriticConfig:
    """The policy and value network and how it learns in imagination (section 2.3)."""

    channels: list[int] = setting([32, 32, 64, 64], "channels of the convolutions")
    lstm_dim: int = setting(512, "cells of the LSTM", low=1, high=16_384)
    burn_in: int = setting(
        20, "frames the LSTM sees before a dream starts", low=0, high=10_000
    )
    horizon: int = setting(20, "imagined steps in a rollout, H", low=2, high=10_000)
    gamma: float = setting(0.995, "discount", low=0.0, high=1.0)
    lam: float = setting(
        0.95, "mix of one-step and long returns, lambda", low=0.0, high=1.0
    )
    entropy_weight: float = setting(0.001, "weight of the entropy bonus, eta", low=0.0)
    updates: UpdatesConfig = part(
        partial(UpdatesConfig, start_after_epoch=50, batch_size=64)
    )


@dataclass
class CollectionConfig:
    """How the agent plays the real game to gather experience."""

    epochs: int = setting(500, "epochs that collect; later ones only train", low=0)
    steps_per_epoch: int = setting(200, "environment steps an epoch", low=1)
    epsilon: float = setting(0.01, "chance of a random action", low=0.0, high=1.0)
    temperature: float = setting(
        1.0, "of the policy's sampling; the paper uses 0.01 in Freeway", low=1e-6
    )


@dataclass
class EvaluationConfig:
    """Tests during training and after it."""

    every: int = setting(5, "epochs between two evaluations", low=1)
    episodes: int = setting(
        16, "test episodes in each; the frames of the first 16 are kept", low=1
    )
    num_envs: int = setting(8, "test environments side by side", low=1, high=1_024)
    temperature: float = setting(0.5, "of the policy's sampling in tests", low=1e-6)
    epsilon: float = setting(
        0.0, "chance of a random action in tests", low=0.0, high=1.0
    )
    final_episodes: int = setting(100, "test episodes after training", low=1)


@dataclass
class TrainingConfig:
    """The epoch loop (appendix A, algorithm 1)."""

    epochs: int = setting(600, "epochs", low=1)
    checkpoint_every: int = setting(1, "epochs between two checkpoints", low=1)
