"""A session of play: who acts in which world, and the tree of everything played.

It draws nothing and knows no page. Going back and acting differently starts a branch.
The line is the current branch: from the root along each node's `next`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch

from iris_core.agent import Agent
from iris_core.config.setting import ConfigError
from iris_core.data.episode import Episode
from iris_core.data.frames import to_pixels
from iris_core.envs import action_meanings, make_env
from iris_core.imagination.introspection import Imagination
from iris_core.imagination.start import Start
from iris_core.models.actor_critic import State as LSTMState
from iris_core.runtime.command_line import COLDEST
from iris_core.runtime.device import autocast_for
from iris_core.tools.play.options import Driver, Place
from iris_core.tools.play.side_by_side import RealRollout
from iris_core.tools.play.source import load_episode
from iris_core.tools.play.starts import Starts
from iris_core.tools.play.worlds import (
    DreamWorld,
    GameWorld,
    Node,
    Observation,
    Recording,
)

MAX_NODES = 2500  # more than Freeway's longest episode
PLACES = {"game": "the real game", "dream": "the dream", "replay": "a recorded episode"}
SPEEDS = (2, 5, 10, 15, 30, 60, 120)  # frames per second
PALETTE = 48  # codes to paint with

Episodes = Mapping[str, Sequence[Episode] | Sequence[Path]]


class Session:
    """An agent at play.

    episodes: recorded ones to replay, by kind. temperature: of the frame tokens in the
    dream, policy_temperature: of the agent's actions, both by default as configured.
    max_nodes: of the tree, whose oldest nodes go when there are more. starts: chosen
    ones for its dreams.
    root: of the tree of nodes. cursor: the current node. world_node: the node that the
    world is at. token: the selected one. layer, head: those whose attention is shown.
    """

    root: Node
    cursor: Node
    world_node: Node

    def __init__(
        self,
        agent: Agent,
        place: Place = "dream",
        driver: Driver = "agent",
        episodes: Episodes | None = None,
        seed: int = 0,
        max_nodes: int = MAX_NODES,
        starts: Starts | None = None,
    ) -> None:
        self.agent = agent
        self.max_nodes = max_nodes
        self.episodes = {k: v for k, v in (episodes or {}).items() if v}
        self.imagination = Imagination(agent)
        game, self.recording = make_env(agent.config.env, "test"), Recording()
        self.game = GameWorld(agent, self.imagination, game)
        self.replay = GameWorld(agent, self.imagination, self.recording)
        self.starts = starts
        self.dream = DreamWorld(agent, self.imagination, starts)
        self.action_names = action_meanings(game)  # published agents lack them
        agent.check_game(agent.game, self.action_names)
        self.generator = torch.Generator(agent.device)
        self.speed = 30
        self.seed = seed
        self.playing, self.num_nodes = False, 0
        self.kind, self.number = next(iter(self.episodes), ""), 0
        self.token: int | None = None
        self.layer = self.head = 0
        self.set_driver(driver)
        self.set_place(place)

    @property
    def title(self) -> str:
        """The game, the place and who plays."""
        by = "" if self.place == "replay" else f", played by the {self.driver}"
        return f"{self.agent.game}: {PLACES[self.place]}{by}"

    @property
    def world(self) -> GameWorld | DreamWorld:
        if self.place == "dream":
            return self.dream
        return self.game if self.place == "game" else self.replay

    # Settings

    def set_place(self, place: Place) -> None:
        """Start in the real game, in the dream or in a recorded episode.

        Raises:
            ConfigError: unknown place, or there are no recorded episodes.
        """
        if place not in PLACES:
            raise ConfigError(f"Unknown place {place!r}: choose {', '.join(PLACES)}.")
        if place == "replay" and not self.episodes:
            raise ConfigError(
                "There are no recorded episodes to replay: give a run folder that has"
                " some, or episodes."
            )
        self.place: Place = place
        test = self.agent.config.evaluation
        self.policy_temperature = test.temperature if place == "game" else 1.0
        self.dream.origin = None
        self.reset()

    def set_episode(self, kind: str | None = None, number: int = 0) -> None:
        """Replay another episode, of the current kind if None; ConfigError if there is
        none of the kind."""
        kind = self.kind if kind is None else kind
        if kind not in self.episodes:
            kinds = ", ".join(self.episodes) or "none"
            raise ConfigError(f"No recorded episodes of kind {kind!r}; known: {kinds}.")
        self.kind, self.number = kind, number % len(self.episodes[kind])
        self.set_place("replay")

    def reset(self) -> None:
        """Restart from the same frame, with the same seed; an episode that was over
        plays again at once."""
        if self.place == "replay":
            self.recording.episode = load_episode(self.episodes[self.kind][self.number])
        self.generator.manual_seed(self.seed)
        self.real_rollout: RealRollout | None = None
        self.branching = False
        self.playing |= self.num_nodes > 0 and self.cursor.obs.end
        with self.inference():
            obs, lstm_state = self.world.start(self.seed)
            self.root = self.make_node(obs, None, None, lstm_state)
        self.cursor = self.world_node = self.root
        self.num_nodes = 1

    def new_start(self, seed: int | None = None) -> None:
        """Start from another frame: that of a seed, the next one if None."""
        self.seed = self.seed + 1 if seed is None else seed
        if self.place == "replay":
            self.number = (self.number + 1) % len(self.episodes[self.kind])
        self.dream.origin = None
        self.reset()

    def set_driver(self, driver: Driver | None = None) -> None:
        """Who acts, from now on: "agent" or "human"; the other one if None."""
        driver = driver or ("human" if self.driver == "agent" else "agent")
        if driver not in ("agent", "human"):
            raise ConfigError(f"Unknown driver {driver!r}: choose agent or human.")
        self.driver: Driver = driver

    @property
    def temperature(self) -> float:
        return self.imagination.dream.temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        if not value >= COLDEST:
            raise ConfigError(
                f"temperature is {value}; it must be above 0, {COLDEST:g} or more."
            )
        self.imagination.dream.temperature = float(value)

    def set_predict(self, on: bool) -> None:
        """Whether the world model predicts the steps of games and recordings."""
        self.game.predict = self.replay.predict = on

    def change_speed(self, by: int) -> None:
        """Move up or down the list of SPEEDS."""
        index = bisect_left(SPEEDS, self.speed) + by
        self.speed = SPEEDS[min(max(index, 0), len(SPEEDS) - 1)]

    @contextmanager
    def inference(self) -> Iterator[None]:
        """The agent's precision, without gradients."""
        with torch.no_grad(), autocast_for(self.agent.config, self.agent.device):
            yield

    # Acting

    def play_or_pause(self) -> None:
        self.playing = not self.playing and not self.cursor.obs.end

    def advance(self, action: int | None = None) -> Node:
        """One step: along the line as far as it goes, and then a new one.

        action: a human's, which starts a branch in the middle of the line; None where
        nothing is pressed. After the end nothing happens.
        """
        if self.driver == "agent" or self.place == "replay":
            action = None
        if self.cursor.obs.end:
            self.playing = False
        elif self.cursor.next is not None and not self.branching and action is None:
            self.cursor = self.cursor.next
        else:
            self.act(self.sample_action() if self.driver == "agent" else action or 0)
        return self.cursor

    def sample_action(self) -> int:
        """An action of the agent's policy."""
        probs = torch.from_numpy(self.cursor.action_probs).to(self.agent.device)
        tempered = probs.log().div(self.policy_temperature).softmax(-1)
        return int(torch.multinomial(tempered, 1, generator=self.generator))

    def act(self, action: int) -> None:
        """Take an action; a recorded episode takes its own instead.

        Raises:
            ConfigError: the episode is over, or there is no such action.
        """
        if self.cursor.obs.end:
            raise ConfigError("The episode is over: go back, or start again.")
        if not 0 <= action < len(self.action_names):
            raise ConfigError(
                f"Action {action} does not exist; there are {len(self.action_names)}."
            )
        if self.place == "replay":
            action = int(self.recording.episode.actions[self.cursor.step])
        self.restore_world()
        with self.inference():
            obs = self.world.step(action)
            lstm_state = self.cursor.lstm_state
            self.add_node(self.make_node(obs, self.cursor, action, lstm_state))

    def restore_world(self) -> None:
        """Bring the world to the cursor."""
        if self.world_node is not self.cursor:
            with self.inference():
                self.world.restore(self.cursor)
            self.world_node = self.cursor

    def make_node(
        self, obs: Observation, parent: Node | None, action: int | None, lstm: LSTMState
    ) -> Node:
        """Run the actor-critic, its LSTM state given, on an observation."""
        frame = self.agent.tokenizer.decode(obs.tokens)
        logits, value, lstm_state = self.agent.actor_critic(frame, lstm)
        return Node(
            obs=obs,
            step=parent.step + 1 if parent else 0,
            total=(parent.total if parent else 0.0) + obs.reward,
            action=action,
            reconstruction=obs.frame if self.place == "dream" else to_pixels(frame)[0],
            action_probs=logits[0].softmax(-1).cpu().numpy(),
            value=float(value[0]),
            lstm_before=lstm,
            lstm_state=lstm_state,
            parent=parent,
        )

    # The tree

    def add_node(self, node: Node) -> None:
        """Append a node to the cursor and move there."""
        self.cursor.children.append(node)
        self.cursor.next = self.cursor = self.world_node = node
        self.branching = False
        self.num_nodes += 1
        if self.num_nodes > self.max_nodes:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Drop a tenth of the path, up to a node that the game can restart from, and
        the branches that start there."""
        path = self.cursor.path()
        later = path[len(path) // 10 + 1 :]
        roots = [n for n in later if self.place == "dream" or n.obs.game] or path[-1:]
        self.root, self.real_rollout = roots[0], None
        self.root.parent = None
        self.num_nodes = sum(1 for _ in self.all_nodes())

    @property
    def line(self) -> list[Node]:
        """The nodes from the root along each one's `next`."""
        nodes = [self.root]
        while nodes[-1].next is not None:
            nodes.append(nodes[-1].next)
        return nodes

    def all_nodes(self) -> Iterator[Node]:
        """Depth first, parents before children."""
        stack = [self.root]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    @property
    def leaves(self) -> list[Node]:
        """The last node of each branch, depth first."""
        return [node for node in self.all_nodes() if not node.children]

    def go_to(self, node: Node) -> None:
        self.cursor = node
        self.playing = self.branching = False

    def back(self) -> None:
        """One step back."""
        self.go_to(self.cursor.parent or self.cursor)

    def seek(self, step: int) -> None:
        """Go to a step of the line, or as near as there is."""
        line = self.line
        self.go_to(line[min(max(step - line[0].step, 0), len(line) - 1)])

    def branch(self) -> None:
        """Make the next step a new one, although the line goes on."""
        self.branching = not self.cursor.obs.end

    def select_branch(self, number: int) -> None:
        """Change to another branch, at the same step if it has one."""
        leaves, step = self.leaves, self.cursor.step
        for parent, child in pairwise(leaves[number % len(leaves)].path()):
            parent.next = child
        self.seek(step)

    def change_branch(self, by: int) -> None:
        """Move up or down the list of branches."""
        self.select_branch(self.leaves.index(self.line[-1]) + by)

    # Dreams

    def paint(self, token: int, code: int) -> None:
        """Change a token of a dream's current frame.

        The first change of a frame starts a branch, in which more may follow; another
        dream starts if this is the first frame.

        Raises:
            ConfigError: not in a dream, or no such token or code.
        """
        origin, old = self.dream.origin, self.cursor
        if self.place != "dream" or origin is None:
            raise ConfigError(
                "Only a dream's tokens can be changed: dream on from here first."
            )
        count, codes = old.obs.tokens.shape[1], self.agent.config.tokenizer.vocab_size
        if not (0 <= token < count and 0 <= code < codes):
            raise ConfigError(
                f"There is no token {token} with code {code}: a frame has"
                f" {count} tokens, of {codes} codes."
            )
        tokens = old.obs.tokens.clone()
        tokens[0, token] = code
        self.playing = False
        if old.parent is None:
            context = torch.cat([origin.tokens[:, :-1], tokens[:, None]], dim=1)
            self.dream.origin = replace(origin, tokens=context, game=None)
            return self.reset()
        with self.inference():
            frame = to_pixels(self.imagination.dream.restore(tokens, old.obs.past))[0]
            obs = replace(old.obs, frame=frame, tokens=tokens, prediction=None)
            node = self.make_node(obs, old.parent, old.action, old.lstm_before)
        if old.painted and not old.children:
            old.parent.children.remove(old)
            self.num_nodes -= 1
        node.painted = True
        self.cursor = old.parent
        self.add_node(node)

    @property
    def palette(self) -> list[int]:
        """Codes to paint with: chosen ones, or those of the frames so far, the most
        frequent first."""
        if self.starts is not None:
            return self.starts.palette
        seen = [node.obs.tokens[0] for node in self.cursor.path()]
        counts = Counter(torch.cat(seen).tolist())
        return [code for code, _ in counts.most_common(PALETTE)]

    def dream_from_here(self) -> None:
        """Leave the game or the recorded episode for a dream that starts here."""
        self.restore_world()
        path = self.cursor.path()[-self.agent.config.world_model.dream_context :]
        actions = [node.action for node in path[1:]]
        self.dream.origin = Start(
            torch.stack([node.obs.tokens for node in path], dim=1),
            torch.tensor([actions], dtype=torch.int64, device=self.agent.device),
            self.cursor.lstm_before,
            self.game.env.get_state() if self.place == "game" else None,
        )
        self.place = "dream"
        self.reset()

    # The real game beside a dream

    @property
    def started_in_game(self) -> bool:
        """Whether this is a dream whose first frame is one of the real game."""
        return self.place == "dream" and self.root.obs.game is not None

    def set_real_rollout(self, on: bool) -> None:
        """Whether the real game runs beside the dream, under the same actions.

        Raises:
            ConfigError: this is no dream, or it did not start in the game.
        """
        if on and not self.started_in_game:
            raise ConfigError(
                "The real game can run beside a dream only if the dream started in it:"
                " choose the dream, or another start."
            )
        game = self.root.obs.game
        self.real_rollout = RealRollout(self.agent, game) if on and game else None

    def extend_real_rollout(self) -> None:
        """Bring the real game to the cursor."""
        if self.real_rollout is not None:
            with self.inference():
                self.real_rollout.extend(self.cursor.path())
