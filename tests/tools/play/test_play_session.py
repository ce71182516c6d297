"""A session of play: worlds, drivers, back and forth, branches, the game beside it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from playing import make_agent, make_session

from iris_core.agent import Agent
from iris_core.config import Config, ConfigError
from iris_core.data.episode import Episode
from iris_core.data.frames import to_frames, to_pixels
from iris_core.data.replay_buffer import Replay
from iris_core.imagination.introspection import Imagination, attention
from iris_core.imagination.start import find_start
from iris_core.pretrained import to_published
from iris_core.runtime.run_folder import Run
from iris_core.tools.play.keys import BUTTONS, COMMANDS, buttons_of, key_map
from iris_core.tools.play.session import MAX_NODES, Session
from iris_core.tools.play.side_by_side import DIVERGED, RealRollout, divergence
from iris_core.tools.play.source import open_source
from iris_core.tools.play.worlds import pack, unpack
from iris_core.tools.scores.scores import data_folder

MODES = ["parallel", "autoregressive"]
modes = pytest.mark.parametrize("mode", MODES)
PONG = ["NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"]


def make_episode(steps: int = 6) -> Episode:
    rng = np.random.default_rng(0)
    return Episode(
        rng.integers(0, 256, (steps, 3, 64, 64)).astype(np.uint8),
        np.arange(steps) % 3,
        np.arange(steps).astype(np.float32),
        np.arange(steps) == steps - 1,
        np.zeros(steps, dtype=bool),
    )


def frames(session: Session) -> list[np.ndarray]:
    return [node.obs.frame for node in session.line]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def reconstructed(session: Session, pixels: list[np.ndarray]) -> list[np.ndarray]:
    with session.inference():
        frames = session.agent.tokenizer.reconstruct(to_frames(np.stack(pixels)))
    return list(to_pixels(frames))


# Keys


def test_a_game_has_the_keys_of_its_buttons():
    assert key_map(["NOOP", "UP"]) == {"UP": ["ArrowUp", "w"]}
    assert key_map(["action 0", "action 1"])["action 1"] == ["1"]


def test_keys_follow_the_eye():
    keys = key_map(PONG, "Pong")
    assert keys["RIGHT"] == ["ArrowRight", "d", "ArrowUp", "w"]
    assert keys["LEFT"] == ["ArrowLeft", "a", "ArrowDown", "s"]
    assert key_map(PONG, "Breakout")["RIGHT"] == ["ArrowRight", "d"]


def test_an_actions_name_is_split_into_buttons():
    assert buttons_of("UPRIGHTFIRE") == {"UP", "RIGHT", "FIRE"}
    assert buttons_of("NOOP") == frozenset()


def test_commands_take_no_key_of_a_game():
    assert not set(COMMANDS) & {key for keys in BUTTONS.values() for key in keys}


# The world model


@modes
def test_given_tokens_are_predicted_as_sampled_ones(mode):
    """Frames that come from outside are foreseen as a dream's own would be."""
    agent = make_agent(mode)
    dreaming, watching = Imagination(agent), Imagination(agent)
    start = torch.zeros(1, 1, 16, dtype=torch.int64)
    for each in (dreaming, watching):
        each.start(start, start.new_zeros(1, 0))
    for action in (0, 1, 2, 1, 0, 2):
        _, _, dreamed = dreaming.step(action)
        _, _, foreseen = watching.step(action, dreaming.dream.tokens)
        assert np.allclose(dreamed.probs, foreseen.probs)
        assert torch.equal(watching.dream.tokens, dreaming.dream.tokens)
        assert foreseen.reward.sum() == pytest.approx(1)
        assert (foreseen.surprisal >= 0).all()
        assert dreaming.filled == watching.filled


@modes
def test_attention_sums_to_one_over_what_was_known(mode):
    session = make_session(mode)
    for _ in range(3):
        session.advance()
    obs, agent = session.cursor.obs, session.agent
    for token in (0, 7, 15):
        weights = attention(agent, obs.past, obs.tokens, 0, 0, token)
        assert weights.sum() == pytest.approx(1, abs=1e-3)
        if mode == "autoregressive":  # what was not known yet has no weight
            assert not weights[-1, token:].any()
            assert len(weights) == len(obs.past) + 1


# Places and drivers


@modes
@pytest.mark.parametrize("place", ["dream", "game"])
def test_the_same_seed_is_the_same_play(mode, place):
    played = []
    for _ in range(2):
        session = make_session(mode, place=place, seed=4)
        for _ in range(8):
            session.advance()
        played.append(frames(session))
    assert same(*played)
    session.reset()
    for _ in range(8):
        session.advance()
    assert same(frames(session), played[0])


def test_another_start():
    session = make_session()
    first = session.cursor.obs.frame
    session.new_start()
    assert session.seed == 1
    assert not np.array_equal(session.cursor.obs.frame, first)


def test_who_plays_can_change_at_any_moment():
    session = make_session(place="game", driver="human")
    assert session.advance(1).action == 1
    assert session.advance().action == 0
    session.set_driver("agent")
    fresh = make_session(place="game")
    before = session.cursor.lstm_state
    assert session.advance(1).action in (0, 1, 2)
    other = fresh.cursor.lstm_state
    assert not torch.equal(before[0], other[0])  # it saw what was played


def test_an_action_by_its_number():
    session = make_session(place="game", driver="human")
    assert session.advance(2).action == 2
    session.act(1)
    assert session.cursor.action == 1
    with pytest.raises(ConfigError, match="Action 3 does not exist; there are 3"):
        session.act(3)


def test_a_new_start_plays_on_where_something_played():
    session = make_session(place="game")
    session.new_start()
    assert not session.playing
    session.playing = True
    session.reset()
    assert session.playing
    while not session.cursor.obs.end:
        session.advance()
    session.advance()
    assert not session.playing
    session.new_start()
    assert session.playing


def test_nothing_after_the_end():
    session = make_session(place="game")
    session.playing = True
    for _ in range(40):
        session.advance()
    assert session.cursor.step == 28 and session.cursor.obs.end
    assert not session.playing
    with pytest.raises(ConfigError, match="over"):
        session.act(0)


def test_predictions_can_be_switched_off_in_the_game():
    session = make_session(place="game")
    assert session.advance().obs.prediction is not None
    session.set_predict(False)
    assert session.advance().obs.prediction is None
    session.set_predict(True)
    later = session.advance().obs
    assert later.prediction is not None and len(later.past) == 1


def test_replay_shows_what_was_recorded():
    episode = make_episode()
    session = make_session(place="replay", episodes={"best": [episode]})
    for _ in range(9):
        session.advance()
    path = session.cursor.path()
    assert len(path) == 7 and path[-1].obs.end
    assert [node.action for node in path[1:]] == episode.actions.tolist()
    assert path[-1].total == episode.rewards.sum()
    shown = np.stack([node.obs.frame for node in path[:-1]])
    assert np.array_equal(shown.transpose(0, 3, 1, 2), episode.frames)
    session.seek(2)
    session.branch()
    assert session.advance().action == episode.actions[2]


def test_unknown_places_and_episodes_are_refused():
    session = make_session()
    with pytest.raises(
        ConfigError, match="Unknown place 'moon': choose game, dream, replay"
    ):
        session.set_place("moon")
    with pytest.raises(ConfigError, match="no recorded episodes"):
        session.set_place("replay")
    with pytest.raises(ConfigError, match="kind 'best'; known: none"):
        session.set_episode("best", 0)
    with pytest.raises(ConfigError, match="Unknown driver 'cat'"):
        session.set_driver("cat")
    with pytest.raises(ConfigError, match="temperature is 0; it must be above 0"):
        session.temperature = 0


def test_an_agents_neighbours_and_a_run_folder(tmp_path):
    replay = Replay()
    replay.add(make_episode())
    replay.save(tmp_path / "episodes" / "catch_agent")
    agent = make_agent()
    (tmp_path / "agents").mkdir()
    agent.save(tmp_path / "agents" / "catch.safetensors")
    found = open_source(tmp_path / "agents" / "catch.safetensors")
    assert [path.name for path in found.episodes["agent"]] == ["000000.npz"]
    session = Session(found.agent, "replay", episodes=found.episodes)
    assert session.kind == "agent"


def test_a_run_folder_has_four_kinds_of_episodes(tmp_path):
    agent = make_agent()
    run = Run.create(replace(agent.config, outputs=str(tmp_path)))
    agent.save(run.agent)
    replay = Replay()
    replay.add(make_episode())
    replay.save(run.replay)
    for kind in ("train", "test", "imagination"):
        make_episode(4).save(run.episodes(kind) / "best.npz")
    found = open_source(run.path)
    counts = {kind: len(paths) for kind, paths in found.episodes.items()}
    assert counts == {"train": 2, "test": 1, "imagination": 1, "best": 3}
    assert found.recordings == run.path / "media" / "recordings"
    session = Session(found.agent, episodes=found.episodes)
    session.set_episode("imagination", 0)
    for _ in range(9):
        session.advance()
    assert session.cursor.step == 4
    session.new_start()
    assert session.cursor.step == 0 and session.place == "replay"


def test_a_published_checkpoint_knows_its_actions_names(tmp_path):
    """Of its own it has numbers only."""
    config = Config()
    config.tokenizer.channels = config.tokenizer.z_channels = 32
    config.tokenizer.num_res_blocks = 1
    config.world_model.embed_dim, config.world_model.num_layers = 16, 1
    config.actor_critic.lstm_dim = 16
    agent = Agent(config, ["NOOP", "FIRE", "RIGHT", "LEFT"])
    torch.save(to_published(agent.state_dict()), tmp_path / "Breakout.pt")
    found = open_source(tmp_path / "Breakout.pt")
    session = Session(found.agent, driver="human")
    assert session.action_names == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    node = session.advance(1)
    assert node.action == 1 and node.obs.prediction is not None
    assert len(node.obs.past) == 1


# Back and forth, branches


@modes
@pytest.mark.parametrize("place", ["dream", "game"])
def test_going_back_and_on_again(mode, place):
    session = make_session(mode, place=place)
    for _ in range(10):
        session.advance()
    before = frames(session)
    session.back()
    assert session.cursor.step == 9
    session.seek(3)
    assert session.advance() is session.line[4]
    session.seek(999)
    assert session.cursor.step == 10
    assert same(frames(session), before)
    assert session.num_nodes == 11


def test_a_game_goes_back_to_any_moment(monkeypatch):
    """From a state that was saved now and then, playing the actions again."""
    monkeypatch.setattr("iris_core.tools.play.worlds.SAVE_EVERY", 5)
    session = make_session(place="game", driver="human")
    moves = [1, 2, 2, None] * 4
    for action in moves:
        session.advance(action)
    before = frames(session)
    session.seek(8)
    session.branch()
    for action in moves[8:]:
        session.advance(action)
    assert same(frames(session), before)
    assert len(session.leaves) == 2


@modes
def test_a_dream_branches(mode):
    session = make_session(mode)
    for _ in range(8):
        session.advance()
    first = frames(session)
    session.seek(3)
    session.set_driver("human")
    session.advance()  # no key: along the line
    assert len(session.leaves) == 1
    session.advance(1)
    assert len(session.leaves) == 2
    for _ in range(3):
        session.advance()
    assert [leaf.step for leaf in session.leaves] == [8, 8]
    assert same(frames(session)[:5], first[:5])
    session.select_branch(0)
    assert same(frames(session), first) and session.cursor.step == 8
    assert session.cursor.parent.children == [session.cursor]


def test_a_path_is_its_moments_in_order():
    session = make_session()
    for _ in range(4):
        session.advance()
    path = session.cursor.path()
    assert all(after.parent is before for before, after in pairwise(path))
    assert [node.step for node in path] == list(range(5))


@modes
@pytest.mark.parametrize("step", [0, 4])
def test_a_token_is_changed_and_dreamed_on_from(mode, step):
    session = make_session(mode)
    for _ in range(6):
        session.advance()
    session.seek(step)
    old = session.cursor
    code = (int(old.obs.tokens[0, 5]) + 1) % 32
    session.paint(5, code)
    new = session.cursor
    assert new.step == step and int(new.obs.tokens[0, 5]) == code
    changed = (new.obs.frame != old.obs.frame).any(-1)
    assert changed.any()
    session.advance()
    assert session.cursor.parent is new
    if step:
        assert new.parent is old.parent and len(session.leaves) == 2
        assert np.array_equal(session.root.obs.frame, old.path()[0].obs.frame)


def test_what_is_painted_before_the_next_step_is_one_branch():
    session = make_session(steps=6)
    session.seek(4)
    old = session.cursor
    for token in (5, 6, 7):
        session.paint(token, 3)
    assert len(session.leaves) == 2 and session.num_nodes == 8
    assert session.cursor.obs.tokens[0, 5:8].tolist() == [3, 3, 3]
    assert old in old.parent.children
    session.advance()
    session.back()
    session.paint(0, 3)  # a step was taken from the painted frame: it stays
    assert len(session.leaves) == 3


def test_the_palette_has_what_was_seen():
    session = make_session(steps=4)
    seen = {int(code) for node in session.line for code in node.obs.tokens[0]}
    assert set(session.palette) <= seen and len(session.palette) > 1
    counts = [
        sum(int((node.obs.tokens == code).sum()) for node in session.line)
        for code in session.palette
    ]
    assert counts == sorted(counts, reverse=True)


def test_a_token_that_can_not_be_changed():
    session = make_session()
    with pytest.raises(ConfigError, match="no token 16 with code 1: a frame has 16"):
        session.paint(16, 1)
    session.set_place("game")
    with pytest.raises(ConfigError, match="dream on from here first"):
        session.paint(0, 0)


def test_a_dream_from_the_present():
    session = make_session(place="game")
    for _ in range(5):
        session.advance()
    here = session.cursor
    session.dream_from_here()
    assert session.place == "dream" and session.cursor.step == 0
    assert torch.equal(session.cursor.obs.tokens, here.obs.tokens)
    assert torch.equal(session.cursor.lstm_state[0], here.lstm_state[0])
    assert len(session.imagination.dream.past) == 1  # the frame before, and its action


def test_the_tree_stays_bounded():
    """And all of it is reachable from the root."""
    session = make_session(max_nodes=50)
    for _ in range(130):
        session.advance()
        assert session.num_nodes <= 51
    assert session.cursor.step == 130
    assert session.root.parent is None
    assert len(session.line) == session.num_nodes
    session.seek(0)
    assert session.cursor is session.root
    assert MAX_NODES > 2048


# The real game beside the dream


def test_the_real_game_plays_the_dreams_actions():
    session = make_session(driver="human", seed=3)
    session.set_real_rollout(True)
    for action in (1, 1, 2):
        session.advance(action)
    session.extend_real_rollout()
    rollout = session.real_rollout
    game = make_session(place="game").game.env
    real = [game.set_state(session.root.obs.game)]
    real += [game.step(action)[0] for action in (1, 1, 2)]
    assert same(rollout.frames, reconstructed(session, real))
    assert len(rollout.divergence) == 4
    session.seek(1)
    session.extend_real_rollout()
    assert len(rollout.frames) == 4  # a step back forgets nothing
    session.advance(2)
    session.extend_real_rollout()
    real = [game.set_state(session.root.obs.game)]
    real += [game.step(action)[0] for action in (1, 2)]
    assert same(rollout.frames, reconstructed(session, real))


def test_divergence_is_told_and_the_play_goes_on():
    session = make_session()
    session.set_real_rollout(True)
    session.playing = True
    for _ in range(20):
        session.advance()
        session.extend_real_rollout()
    rollout = session.real_rollout
    assert rollout.diverged_at is not None and session.playing
    assert min(rollout.divergence[rollout.diverged_at :][:3]) > DIVERGED


def test_a_real_rollout_needs_a_game():
    session = make_session(place="game")
    with pytest.raises(ConfigError, match="only if the dream started"):
        session.set_real_rollout(True)


def test_divergence_is_of_the_worst_patch():
    one = np.zeros((64, 64, 3), np.uint8)
    other = one.copy()
    other[8:16, 8:16] = 100
    assert divergence(one, other) == 100
    assert divergence(one, one) == 0


def test_the_end_of_the_game_ends_the_comparison():
    session = make_session(driver="human", seed=3)
    for _ in range(40):
        session.advance()
    rollout = RealRollout(session.agent, session.root.obs.game)
    rollout.extend(session.cursor.path())
    assert rollout.ended and len(rollout.frames) < 41


def test_pictures_are_kept_small():
    picture = np.random.default_rng(0).integers(0, 3, (210, 160, 3)).astype(np.uint8)
    packed = pack(picture)
    assert np.array_equal(unpack(packed), picture)
    assert len(packed[1]) < picture.nbytes / 3


def test_a_dream_begins_where_something_moves():
    """For the first 80 steps of Crazy Climber nobody can climb."""
    agent = Agent.load(data_folder() / "agents" / "crazyclimber.safetensors")
    for seed in (0, 1):
        tokens = find_start(agent, seed).tokens
        assert not torch.equal(tokens[:, -1], tokens[:, -2])


def test_a_dream_begins_though_nothing_moves():
    agent = make_agent()  # of Catch, whose episodes end before patience does
    with torch.no_grad():
        agent.tokenizer.embedding.weight.zero_()  # every frame has the same tokens
    assert find_start(agent, seed=0).tokens.shape[1] >= 1
