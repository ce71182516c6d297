"""The agent: which networks it has, how it acts, and its file."""

import math

import pytest
import torch
from networks import (
    EXTRAS,
    MODES,
    STRIDED,
    make_agent,
    new_actor_critic,
)
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from iris_core.agent import (
    Agent,
    TrainingRecord,
    categorical,
    greedy,
    make_tokenizer,
)
from iris_core.config import ConfigError, load_config
from iris_core.models.actor_critic import ActorCritic
from iris_core.models.tokenizer import Tokenizer
from iris_core.models.world_model import WorldModel
from iris_core.variants.parallel_world_model import ParallelWorldModel
from iris_core.variants.patch_tokenizer import PatchTokenizer
from iris_core.variants.small_actor_critic import SmallActorCritic
from iris_core.variants.small_tokenizer import SmallTokenizer
from iris_core.variants.small_world_model import SmallWorldModel


def frequencies(logits: Tensor, n: int = 40_000) -> Tensor:
    samples = categorical(logits.expand(n, -1))
    return torch.bincount(samples, minlength=len(logits)) / n


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "logits",
    [[0.0, 0.0], [1.0, -1.0, 0.5, 3.0], [0.0] * 50, [-40.0, 0.0, 0.0], [5.0]],
)
def test_samples_follow_the_softmax(logits, dtype):
    x = torch.tensor(logits, dtype=dtype)
    p = x.float().softmax(-1)
    assert torch.allclose(frequencies(x), p, atol=4 * 0.5 / math.sqrt(40_000))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("likeliest", [0, 2, 4])
def test_near_one_hot_logits_give_one_answer(likeliest, dtype):
    for rest in (-60.0, -math.inf):
        x = torch.full((5,), rest, dtype=dtype)
        x[likeliest] = 30.0
        assert frequencies(x)[likeliest] == 1


def test_sampling_keeps_the_leading_shape():
    logits = torch.randn(2, 3, 4, 7)
    assert categorical(logits).shape == greedy(logits).shape == (2, 3, 4)
    assert categorical(logits).dtype == torch.int64
    sharp = 1e4 * torch.eye(7)
    assert torch.equal(categorical(sharp), torch.arange(7))


@pytest.mark.parametrize(
    ("kind", "overrides"),
    [
        (WorldModel, []),
        (WorldModel, ["world_model.event_share=0.5", "world_model.dream_context=2"]),
        (SmallWorldModel, ["world_model.changed_weight=1"]),
        (SmallWorldModel, ["world_model.codebook_start=true"]),
        (SmallWorldModel, ["world_model.positions=place_and_time"]),
        (SmallWorldModel, ["world_model.qk_norm=true"]),
        (SmallWorldModel, ["world_model.attention=block_causal"]),
        (SmallWorldModel, ["world_model.surprise_share=0.5"]),
        (SmallWorldModel, ["actor_critic.surprise_share=0.5"]),
        (ParallelWorldModel, ["world_model.prediction=parallel"]),
    ],
)
def test_the_papers_world_model_unless_a_departure_asks_for_another(kind, overrides):
    assert type(make_agent(*overrides).world_model) is kind


def test_the_papers_networks_are_the_papers():
    agent = Agent(load_config("paper"), ["NOOP", "FIRE"])
    assert type(agent.tokenizer) is Tokenizer
    assert type(agent.world_model) is WorldModel
    assert type(agent.actor_critic) is ActorCritic


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("architecture=patch", PatchTokenizer),
        ("subtract_background=true", SmallTokenizer),
        ("kmeans_start=true", SmallTokenizer),
        ("revive_dead_codes=true", SmallTokenizer),
        ("loss.l2=1", SmallTokenizer),
        ("loss.worst_pixel=1", SmallTokenizer),
        ("loss.foreground=1", SmallTokenizer),
        ("loss.l1=2", Tokenizer),
        ("updates.warmup_steps=2", Tokenizer),
    ],
)
def test_a_tokenizer_that_departs_is_a_variant(setting, kind):
    config = load_config("paper", [f"tokenizer.{setting}", "tokenizer.channels=32"])
    assert type(make_tokenizer(config.tokenizer)) is kind


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (STRIDED, SmallActorCritic),
        (["actor_critic.subtract_background=true"], SmallActorCritic),
        (["actor_critic.normalise_features=true"], SmallActorCritic),
        (["actor_critic.mask_after_end=true"], SmallActorCritic),
        (["actor_critic.normalise_advantages=true"], SmallActorCritic),
        (["actor_critic.updates_per_dream=2"], SmallActorCritic),
        (["actor_critic.gamma=0.9", "actor_critic.target_decay=0.5"], ActorCritic),
    ],
)
def test_an_actor_critic_that_departs_is_a_variant(settings, kind):
    assert type(new_actor_critic(*settings)) is kind


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_an_agent_comes_back_from_its_file(mode, tmp_path):
    prediction, attention, group = mode
    agent = make_agent(
        "env.game=Pong",
        f"world_model.prediction={prediction}",
        f"world_model.attention={attention}",
        f"world_model.tokens_per_position={group}",
        *STRIDED,
        *EXTRAS,
    )
    path = tmp_path / "agent.safetensors"
    agent.save(path)
    again = Agent.load(path)
    assert again.config == agent.config
    assert again.actions == ["NOOP", "LEFT", "RIGHT"] and again.num_actions == 3
    assert again.game == "Pong" and not again.training
    ours, theirs = agent.state_dict(), again.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    frames = torch.rand(4, 3, 64, 64)
    actions, _ = agent.act(frames, agent.new_state(4), sample=greedy)
    same, _ = again.act(frames, again.new_state(4), sample=greedy)
    assert torch.equal(actions, same)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no part stays behind
    with safe_open(path, framework="pt") as file:
        assert file.metadata().keys() == {"format", "config", "actions", "sha256"}


def test_the_training_record_is_in_the_agents_file(tmp_path):
    path, agent = tmp_path / "agent.safetensors", make_agent()
    agent.training_record = TrainingRecord(
        "tutorial with seed=1", 1, 17_500, 9.5, 9.4, "cpu", "abc"
    )
    agent.save(path)
    assert Agent.load(path).training_record == agent.training_record
    Agent.load(path).half().save(path)
    assert Agent.load(path).training_record == agent.training_record
    make_agent().save(path)  # as older files, without one
    assert Agent.load(path).training_record is None


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_agent(share, tmp_path):
    path = tmp_path / "agent.safetensors"
    make_agent().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ConfigError, match="cut short") as caught:
        Agent.load(path)
    assert str(path) in str(caught.value)


def test_files_that_are_no_agents(tmp_path):
    path = tmp_path / "other.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": torch.ones(2)}, path, metadata)
        with pytest.raises(ConfigError, match="no agent of this library"):
            Agent.load(path)
    with pytest.raises(ConfigError, match="No agent at"):
        Agent.load(tmp_path / "absent.safetensors")


def test_an_agent_checks_the_actions_it_meets():
    agent = make_agent()
    agent.check_game("Catch", ["NOOP", "LEFT", "RIGHT"])
    with pytest.raises(ConfigError, match=r"can't play Pong"):
        agent.check_game("Pong", ["NOOP", "LEFT", "RIGHT"])
    with pytest.raises(ConfigError) as caught:
        agent.check_game("Catch", ["NOOP", "FIRE", "RIGHT", "LEFT"])
    message = str(caught.value)
    for part in ("Catch with 3 actions (NOOP, LEFT, RIGHT)", "has 4", "--game NAME"):
        assert part in message


def favour(agent: Agent, action: int) -> None:
    """Make the policy take one action whatever it sees."""
    with torch.no_grad():
        agent.actor_critic.actor_linear.weight.zero_()
        agent.actor_critic.actor_linear.bias.copy_(100.0 * torch.eye(3)[action])


def test_epsilon_is_the_chance_of_any_action():
    agent = make_agent()
    favour(agent, 2)
    frames = torch.rand(1, 3, 64, 64).expand(400, -1, -1, -1)
    for epsilon in (0.0, 0.3, 1.0):
        actions, _ = agent.act(frames, agent.new_state(400), epsilon=epsilon)
        share = torch.bincount(actions, minlength=3) / 400
        expected = torch.full((3,), epsilon / 3)
        expected[2] += 1 - epsilon
        assert torch.allclose(share, expected, atol=0.09)


def test_a_low_temperature_is_greedy():
    agent = make_agent()
    frames = torch.rand(8, 3, 64, 64)
    likeliest, _ = agent.act(frames, agent.new_state(8), sample=greedy)
    cold, _ = agent.act(frames, agent.new_state(8), temperature=1e-6)
    assert torch.equal(cold, likeliest)


def test_the_policy_sees_reconstructions():
    """Frames that the tokenizer cannot tell apart lead to the same state."""
    agent = make_agent()
    frames = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        agent.tokenizer.embedding.weight[1:] = 1e3  # one code serves all
    _, (hidden, _) = agent.act(frames, agent.new_state(2))
    assert torch.allclose(hidden[0], hidden[1], atol=1e-6)
