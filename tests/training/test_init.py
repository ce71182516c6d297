"""A run may begin with networks of another agent."""

import pytest
import torch
from running import make_agent, make_state, networks_of, resume, run_to, same
from torch import Tensor

from iris_core.agent import Agent
from iris_core.config import ConfigError
from iris_core.envs.catch import BACKGROUND
from iris_core.training.state import TrainingState


@pytest.fixture(scope="module")
def donor(tmp_path_factory):
    """The file of an agent with its own background, and the agent."""
    torch.manual_seed(99)
    agent = make_agent()
    with torch.no_grad():
        agent.tokenizer.background.uniform_()
    path = tmp_path_factory.mktemp("donor") / "agent.safetensors"
    agent.save(path)
    return path, agent


def test_all_parts_of_an_agent(donor, tmp_path):
    path, agent = donor
    state = make_state(tmp_path, path=str(path))
    assert same(networks_of(state.agent), networks_of(agent))


def target_critic_of(state: TrainingState) -> dict[str, Tensor]:
    """Its weights, as a checkpoint holds them."""
    return state.state_dict()["components"]["actor_critic"]["target_critic"]


def test_some_parts_of_an_agent(donor, tmp_path):
    path, agent = donor
    fresh = networks_of(make_state(tmp_path).agent)
    theirs = networks_of(agent)
    state = make_state(tmp_path, path=str(path), actor_critic=False)
    ours = networks_of(state.agent)
    assert same(ours["tokenizer"], theirs["tokenizer"])
    assert same(ours["world_model"], theirs["world_model"])
    assert same(ours["actor_critic"], fresh["actor_critic"])
    assert same(target_critic_of(state), ours["actor_critic"])


def test_a_new_policy_sees_the_games_background(tmp_path):
    """And one that came trained keeps its own."""
    overrides = ["actor_critic.subtract_background=true"]
    state = make_state(tmp_path, *overrides)
    run_to(state, (2, "actor_critic", 1))
    for critic in (state.agent.actor_critic.state_dict(), target_critic_of(state)):
        corner = critic["background"][:, 0, 0] * 255  # no ball is there at the median
        assert torch.allclose(corner, torch.tensor(BACKGROUND, dtype=torch.float32))
    state.agent.actor_critic.background.fill_(0.25)
    path = tmp_path / "agent.safetensors"
    state.agent.save(path)
    state = make_state(tmp_path, *overrides, path=str(path))
    run_to(state, (2, "actor_critic", 1))
    for critic in (state.agent.actor_critic.state_dict(), target_critic_of(state)):
        assert (critic["background"] == 0.25).all()


def test_a_taken_tokenizer_is_not_started_anew(donor, tmp_path):
    """k-means is for a codebook that knows nothing yet."""
    path, agent = donor
    still = "tokenizer.revive_dead_codes=false"
    state = make_state(tmp_path, still, path=str(path), actor_critic=False)
    run_to(state, (1, "tokenizer", 1))
    ours, theirs = state.agent.tokenizer, agent.tokenizer
    assert torch.equal(ours.background, theirs.background)
    moved = (ours.embedding.weight - theirs.embedding.weight).abs().max()
    assert 0 < moved <= 1.01e-4  # one update of Adam, at its learning rate


def test_a_tokenizer_that_is_not_taken_starts_from_data(donor, tmp_path):
    path, agent = donor
    state = make_state(tmp_path, path=str(path), tokenizer=False)
    fresh = state.agent.tokenizer.embedding.weight.clone()
    run_to(state, (1, "tokenizer", 1))
    assert (state.agent.tokenizer.embedding.weight - fresh).abs().max() > 0.01
    assert same(
        networks_of(state.agent)["world_model"],
        networks_of(agent)["world_model"],
    )


def test_parts_of_a_run(finished, tmp_path):
    state, _ = finished
    path = str(state.run.path)
    ours = make_state(tmp_path, path=path)
    assert same(
        networks_of(ours.agent),
        networks_of(Agent.load(state.run.agent)),
    )


@pytest.mark.parametrize(
    ("part", "override"),
    [
        ("tokenizer", "tokenizer.embed_dim=16"),
        ("world_model", "world_model.embed_dim=16"),
        ("world_model", "world_model.num_layers=2"),
        ("actor_critic", "actor_critic.lstm_dim=16"),
        ("world_model", "env.game=Breakout"),  # four actions
    ],
)
def test_networks_that_do_not_fit(part, override, donor, tmp_path):
    with pytest.raises(ConfigError) as caught:
        make_state(tmp_path, override, path=str(donor[0]))
    message = str(caught.value)
    assert f"The {part} of {donor[0]}" in message and f"init.{part}=false" in message
    left_out = {part: False} | ({"actor_critic": False} if "game" in override else {})
    make_state(tmp_path, override, path=str(donor[0]), **left_out)


def test_an_agent_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="absent"):
        make_state(tmp_path, path=str(tmp_path / "absent.safetensors"))


def test_resuming_needs_no_donor(donor, tmp_path):
    """A run has what it took; where from may be gone."""
    path = tmp_path / "agent.safetensors"
    path.write_bytes(donor[0].read_bytes())
    state = make_state(tmp_path, path=str(path))
    run_to(state, (1, "collect", 4))
    path.unlink()
    again = resume(state)
    assert same(again.agent.state_dict(), state.agent.state_dict())
