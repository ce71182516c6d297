"""A session of play: who acts, in which world, and every moment that was.

A state machine without a picture or a page. Moments form a tree: going back and acting
otherwise makes a branch. The line is the one branch that is walked along: from the
first moment through each one's `next`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch

from iris_core.config.schema import ConfigError
from iris_core.data.frames import to_pixels
from iris_core.device import autocast_for
from iris_core.envs import action_meanings, make_env
from iris_core.models.actor_critic import State as Memory
from iris_core.models.agent import Agent
from iris_core.play.imagination import Imagination
from iris_core.play.keys import action_of
from iris_core.play.options import Driver, Place
from iris_core.play.side_by_side import Twin
from iris_core.play.source import load
from iris_core.play.worlds import (
    DreamWorld,
    GameWorld,
    Moment,
    Recording,
    Sight,
    Start,
)
from iris_core.replay import Episode

HISTORY = 2500  # moments held: more than Freeway's longest episode
PLACES = {"game": "the real game", "dream": "the dream", "replay": "a recorded episode"}
SPEEDS = (2, 5, 10, 15, 30, 60)  # frames a second

Episodes = Mapping[str, Sequence[Episode] | Sequence[Path]]


class Session:
    """One agent at play.

    episodes: recorded ones to look at again, by kind. place, driver, seed: see the
    methods of these names. temperature is that of the dream's frames,
    policy_temperature that of the agent's actions; by default the configuration's.
    first: the root of the tree. cursor: where the session is. here: where its world is.
    token: the one that is pointed at. layer, head: those whose attention is shown.
    """

    first: Moment
    cursor: Moment
    here: Moment

    def __init__(
        self,
        agent: Agent,
        place: Place = "dream",
        driver: Driver = "agent",
        episodes: Episodes | None = None,
        seed: int = 0,
    ) -> None:
        self.agent = agent
        self.episodes = {k: v for k, v in (episodes or {}).items() if v}
        self.imagination = Imagination(agent)
        game, self.recording = make_env(agent.config.env, "test"), Recording()
        self.game = GameWorld(agent, self.imagination, game)
        self.recorded = GameWorld(agent, self.imagination, self.recording)
        self.dream = DreamWorld(agent, self.imagination)
        self.worlds: dict[Place, GameWorld | DreamWorld] = {
            "game": self.game,
            "dream": self.dream,
            "replay": self.recorded,
        }
        self.meanings = action_meanings(game)  # an agent may not know them
        agent.check_game(agent.game, self.meanings)
        self.chance = torch.Generator(agent.device)
        self.speed = 15
        self.seed = seed
        self.kind, self.number = next(iter(self.episodes), ""), 0
        self.token: int | None = None
        self.layer = self.head = 0
        self.set_driver(driver)
        self.set_place(place)

    @property
    def title(self) -> str:
        """The game, and who plays where."""
        who = "" if self.place == "replay" else f", played by the {self.driver}"
        return f"{self.agent.game}: {PLACES[self.place]}{who}"

    # Where, and from where

    def set_place(self, place: Place) -> None:
        """Play in the real game, in the dream, or a recorded episode, from the start.

        Raises:
            ConfigError: no such place, or there are no recorded episodes.
        """
        if place not in PLACES:
            raise ConfigError(
                f"{place!r} is no place to play: it is game, dream or replay."
            )
        if place == "replay" and not self.episodes:
            raise ConfigError(
                "There are no recorded episodes to replay: give a run folder that has"
                " some, or episodes."
            )
        self.place: Place = place
        test = self.agent.config.evaluation
        self.policy_temperature = test.temperature if place == "game" else 1.0
        self.dream.begin = None
        self.reset()

    def set_episode(self, kind: str | None = None, number: int = 0) -> None:
        """Replay another episode, of the same kind if none is named; ConfigError if
        there is none of this kind."""
        kind = self.kind if kind is None else kind
        if kind not in self.episodes:
            kinds = ", ".join(self.episodes) or "none"
            raise ConfigError(
                f"No recorded episodes of kind {kind!r}; there are: {kinds}"
            )
        self.kind, self.number = kind, number % len(self.episodes[kind])
        self.set_place("replay")

    def reset(self) -> None:
        """The same start again."""
        if self.place == "replay":
            self.recording.episode = load(self.episodes[self.kind][self.number])
        self.chance.manual_seed(self.seed)
        self.twin: Twin | None = None
        self.playing = self.anew = False
        with self.computing():
            sight, memory = self.worlds[self.place].start(self.seed)
            moment = self.moment(sight, None, None, memory)
        self.first = self.cursor = self.here = moment
        self.held = 1

    def new_start(self, seed: int | None = None) -> None:
        """Another start: the next seed's, or this one's."""
        self.seed = self.seed + 1 if seed is None else seed
        if self.place == "replay":
            self.number = (self.number + 1) % len(self.episodes[self.kind])
        self.dream.begin = None
        self.reset()

    def set_driver(self, driver: Driver | None = None) -> None:
        """Let the agent act, or a human, at any moment; the other one if None."""
        driver = driver or ("human" if self.driver == "agent" else "agent")
        if driver not in ("agent", "human"):
            raise ConfigError(f"{driver!r} does not play: it is agent or human.")
        self.driver: Driver = driver

    @property
    def temperature(self) -> float:
        """Of the frame tokens' sampling."""
        return self.imagination.dream.temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        if not value > 0:
            raise ConfigError(f"temperature is {value}; it must be above 0.")
        self.imagination.dream.temperature = float(value)

    def set_watch(self, on: bool) -> None:
        """Whether the world model looks on in the game and in recorded episodes."""
        self.game.watch = self.recorded.watch = on

    def change_speed(self, by: int) -> None:
        """To one of SPEEDS, so many further up."""
        at = bisect_left(SPEEDS, self.speed) + by
        self.speed = SPEEDS[min(max(at, 0), len(SPEEDS) - 1)]

    @contextmanager
    def computing(self) -> Iterator[None]:
        """As the agent computes, without gradients."""
        with torch.no_grad(), autocast_for(self.agent.config, self.agent.device):
            yield

    # Going on

    def play_or_pause(self) -> None:
        self.playing = not self.playing and not self.cursor.sight.end

    def advance(self, held: Iterable[str] = (), wish: int | None = None) -> Moment:
        """A step: along the line while it goes on, else an action that is new.

        A human acts by held keys, or by an action's number; in the middle of the line
        that begins a branch. Nothing happens after an end.
        """
        if self.driver == "agent" or self.place == "replay":
            wish = None
        elif wish is None:
            wish = action_of(held, self.meanings)
        if self.cursor.sight.end:
            self.playing = False
        elif self.cursor.next is not None and not self.anew and wish is None:
            self.cursor = self.cursor.next
        else:
            self.act(self.choose(wish))
        return self.cursor

    def choose(self, wish: int | None) -> int:
        """What the one who plays does now."""
        if self.driver == "human":
            return wish or 0  # no key: the first action, which is NOOP
        chances = torch.from_numpy(self.cursor.chances).to(self.agent.device)
        tempered = chances.log().div(self.policy_temperature).softmax(-1)
        return int(torch.multinomial(tempered, 1, generator=self.chance))

    def act(self, action: int) -> None:
        """Take an action here, and be where it leads."""
        if self.cursor.sight.end:
            raise ConfigError("The episode is over: go back, or start again.")
        if not 0 <= action < len(self.meanings):
            raise ConfigError(
                f"Action {action} does not exist; there are {len(self.meanings)}."
            )
        if self.place == "replay":
            action = int(self.recording.episode.actions[self.cursor.step])
        self.arrive()
        with self.computing():
            sight = self.worlds[self.place].step(action)
            self.grow(self.moment(sight, self.cursor, action, self.cursor.memory))

    def arrive(self) -> None:
        """Bring the world to where the cursor is."""
        if self.here is not self.cursor:
            with self.computing():
                self.worlds[self.place].restore(self.cursor)
            self.here = self.cursor

    def moment(
        self, sight: Sight, parent: Moment | None, action: int | None, memory: Memory
    ) -> Moment:
        """A sight, as the agent sees it; memory: its policy's, before."""
        frame = self.agent.tokenizer.decode(sight.tokens)
        logits, value, after = self.agent.actor_critic(frame, memory)
        return Moment(
            sight=sight,
            step=parent.step + 1 if parent else 0,
            total=(parent.total if parent else 0.0) + sight.reward,
            action=action,
            seen=sight.frame if self.place == "dream" else to_pixels(frame)[0],
            chances=logits[0].softmax(-1).cpu().numpy(),
            value=float(value[0]),
            before=memory,
            memory=after,
            parent=parent,
        )

    # The tree

    def grow(self, moment: Moment) -> None:
        """Add a moment behind the cursor and go there."""
        self.cursor.children.append(moment)
        self.cursor.next = self.cursor = self.here = moment
        self.anew = False
        self.held += 1
        if self.held > HISTORY:
            self.forget()

    def forget(self) -> None:
        """Drop the oldest moments, up to the next one that the game can start from,
        and the branches that grew there."""
        path = self.cursor.path()
        later = path[len(path) // 10 + 1 :]
        fit = [m for m in later if self.place == "dream" or m.sight.game] or path[-1:]
        self.first, self.twin = fit[0], None
        self.first.parent = None
        self.held = sum(1 for _ in self.all_moments())

    @property
    def line(self) -> list[Moment]:
        """From the first moment held, along each one's `next`."""
        found = [self.first]
        while found[-1].next is not None:
            found.append(found[-1].next)
        return found

    def all_moments(self) -> Iterator[Moment]:
        """Every moment held, parents first."""
        waiting = [self.first]
        while waiting:
            moment = waiting.pop()
            yield moment
            waiting.extend(reversed(moment.children))

    @property
    def branches(self) -> list[Moment]:
        """The last moment of every branch, in the order of the tree."""
        return [m for m in self.all_moments() if not m.children]

    # Back and forth

    def go_to(self, moment: Moment) -> None:
        self.cursor = moment
        self.playing = self.anew = False

    def back(self) -> None:
        """One step back."""
        self.go_to(self.cursor.parent or self.cursor)

    def seek(self, step: int) -> None:
        """To a step of the line; the nearest there is."""
        line = self.line
        self.go_to(line[min(max(step - line[0].step, 0), len(line) - 1)])

    def branch(self) -> None:
        """The next step is a new one, though the line goes on here."""
        self.anew = not self.cursor.sight.end

    def choose_branch(self, number: int) -> None:
        """Walk along another branch; the cursor keeps its step if it can."""
        leaves = self.branches
        step = self.cursor.step
        for before, after in pairwise(leaves[number % len(leaves)].path()):
            before.next = after
        self.seek(step)

    def change_branch(self, by: int) -> None:
        """To the branch so many further on in the order of the tree."""
        self.choose_branch(self.branches.index(self.line[-1]) + by)

    # Other dreams

    def edit(self, token: int, code: int) -> None:
        """Put another code in the current frame of a dream: a branch from here, or
        another dream if this is the first frame.

        Raises:
            ConfigError: not in a dream, or no such token or code.
        """
        begin, old = self.dream.begin, self.cursor
        if self.place != "dream" or begin is None:
            raise ConfigError(
                "Only a dream's tokens can be changed: dream from here first."
            )
        count, codes = old.sight.tokens.shape[1], self.agent.config.tokenizer.vocab_size
        if not (0 <= token < count and 0 <= code < codes):
            raise ConfigError(
                f"There is no token {token} with code {code}: a frame has"
                f" {count} tokens, of {codes} codes."
            )
        tokens = old.sight.tokens.clone()
        tokens[0, token] = code
        if old.parent is None:
            known = torch.cat([begin.tokens[:, :-1], tokens[:, None]], dim=1)
            self.dream.begin = replace(begin, tokens=known, game=None)
            return self.reset()
        with self.computing():
            frame = to_pixels(self.imagination.dream.restore(tokens, old.sight.past))[0]
            sight = replace(old.sight, frame=frame, tokens=tokens, foresight=None)
            moment = self.moment(sight, old.parent, old.action, old.parent.memory)
        self.cursor = old.parent
        self.grow(moment)

    def dream_from_here(self) -> None:
        """Leave the game, or the recorded episode, for the dream that begins here."""
        self.arrive()
        path = self.cursor.path()[-self.agent.config.world_model.dream_context :]
        actions = [m.action for m in path[1:]]
        self.dream.begin = Start(
            torch.stack([m.sight.tokens for m in path], dim=1),
            torch.tensor([actions], dtype=torch.int64, device=self.agent.device),
            self.cursor.before,
            self.game.env.get_state() if self.place == "game" else None,
        )
        self.place = "dream"
        self.reset()

    # The real game under the same actions

    @property
    def has_game(self) -> bool:
        """Whether this is a dream that began in the real game."""
        return self.place == "dream" and self.first.sight.game is not None

    def set_twin(self, on: bool) -> None:
        """Play the real game beside the dream, from its start, under its actions.

        Raises:
            ConfigError: this is no dream, or its start is not a moment of the game.
        """
        if on and not self.has_game:
            raise ConfigError(
                "The real game can be played beside a dream only if the dream began"
                " in it: choose the dream, or a new start."
            )
        game = self.first.sight.game
        self.twin = Twin(self.agent, game) if on and game else None

    def follow(self) -> None:
        """Let the twin come along; playing stops where the two part."""
        if self.twin is None:
            return
        before = self.twin.parted
        with self.computing():
            self.twin.follow(self.cursor.path())
        if self.twin.parted is not None and before is None:
            self.playing = False
