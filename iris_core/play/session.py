"""A session of play: who acts, in which world, and every moment that was.

A state machine without a picture or a page. Moments form a tree: going back and acting
otherwise makes a branch. The line is the one branch that is walked along: from the
first moment through each one's `next`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import torch

from iris_core.config.schema import ConfigError
from iris_core.device import autocast_for
from iris_core.envs import action_meanings
from iris_core.imagination.start import Start
from iris_core.models.agent import Agent
from iris_core.play.imagination import Imagination
from iris_core.play.keys import action_of
from iris_core.play.source import load
from iris_core.play.twin import Twin
from iris_core.play.worlds import (
    DreamWorld,
    EpisodeWorld,
    GameWorld,
    Moment,
    Sight,
    World,
    to_picture,
)
from iris_core.replay import Episode

HISTORY = 2500  # moments held: more than Freeway's longest episode
SPEEDS = (2, 5, 10, 15, 30, 60)  # frames a second

Place = Literal["game", "dream", "replay"]
Driver = Literal["agent", "human"]
Episodes = Mapping[str, Sequence[Episode] | Sequence[Path]]


class Session:
    """One agent at play.

    episodes: recorded ones to look at again, by kind. place, driver, seed: see the
    methods of these names. temperature is that of the dream's frames,
    policy_temperature that of the agent's actions; by default the configuration's.
    """

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
        self.game = GameWorld(agent, self.imagination)
        self.dream = DreamWorld(agent, self.imagination)
        self.meanings = self.named_actions()
        self.chance = torch.Generator(agent.device)
        self.policy_temperature = 1.0
        self.speed = 15
        self.playing = False
        self.seed = seed
        self.driver: Driver = driver
        self.kind, self.number = next(iter(self.episodes), ""), 0
        self.set_place(place)

    def named_actions(self) -> list[str]:
        """The game's names of the actions; published agents know only numbers."""
        meanings = action_meanings(self.game.env)
        self.agent.check_game(self.agent.game, meanings)
        return meanings

    # Where, and from where

    def set_place(self, place: Place) -> None:
        """Play in the real game, in the dream, or a recorded episode, from the start.

        Raises:
            ConfigError: no such place, or there are no recorded episodes.
        """
        if place not in get_args(Place):
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
        if place == "dream":
            self.dream.begin = None
        self.reset()

    def set_episode(self, kind: str, number: int) -> None:
        """Replay another episode; ConfigError if there is none of this kind."""
        if not self.episodes.get(kind):
            kinds = ", ".join(self.episodes) or "none"
            raise ConfigError(
                f"No recorded episodes of kind {kind!r}; there are: {kinds}"
            )
        self.kind, self.number = kind, number % len(self.episodes[kind])
        self.set_place("replay")

    @property
    def world(self) -> World:
        if self.place == "replay":
            return self.recorded
        return self.game if self.place == "game" else self.dream

    def reset(self) -> None:
        """The same start again."""
        if self.place == "replay":
            episode = load(self.episodes[self.kind][self.number])
            self.recorded = EpisodeWorld(self.agent, self.imagination, episode)
            self.recorded.watch = self.game.watch
        self.chance.manual_seed(self.seed)
        self.twin: Twin | None = None
        self.anew = False
        self.playing = False
        with self.computing():
            sight, memory = self.world.start(self.seed)
            self.first = self.cursor = self.here = self.moment(
                sight, None, None, memory
            )
        self.held = 1

    def new_start(self, seed: int | None = None) -> None:
        """Another start: the next seed's, or this one's."""
        self.seed = self.seed + 1 if seed is None else seed
        if self.place == "replay":
            self.number = (self.number + 1) % len(self.episodes[self.kind])
        if self.place == "dream":
            self.dream.begin = None
        self.reset()

    def set_driver(self, driver: Driver) -> None:
        """Let the agent act, or a human; at any moment."""
        if driver not in get_args(Driver):
            raise ConfigError(f"{driver!r} does not play: it is agent or human.")
        self.driver = driver

    @property
    def temperature(self) -> float:
        """Of the frame tokens' sampling."""
        return self.imagination.dream.temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self.imagination.dream.temperature = positive("temperature", value)

    def set_watch(self, on: bool) -> None:
        """Whether the world model looks on in the game and in recorded episodes."""
        self.game.watch = on
        if self.place == "replay":
            self.recorded.watch = on

    def computing(self) -> torch.autocast:
        return autocast_for(self.agent.config, self.agent.device)

    # Going on

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

    def act(self, action: int) -> Moment:
        """Take an action here, and be where it leads."""
        if self.cursor.sight.end:
            raise ConfigError("The episode is over: go back, or start again.")
        if not 0 <= action < len(self.meanings):
            raise ConfigError(
                f"Action {action} does not exist; there are {len(self.meanings)}."
            )
        self.arrive()
        scripted = self.world.script()
        action = action if scripted is None else scripted
        with self.computing():
            sight = self.world.step(action)
            self.grow(self.moment(sight, self.cursor, action, self.cursor.memory))
        return self.cursor

    def arrive(self) -> None:
        """Bring the world to where the cursor is."""
        if self.here is not self.cursor:
            with self.computing(), torch.no_grad():
                self.world.restore(self.cursor)
            self.here = self.cursor

    @torch.no_grad()
    def moment(
        self,
        sight: Sight,
        parent: Moment | None,
        action: int | None,
        memory: tuple[torch.Tensor, torch.Tensor],
    ) -> Moment:
        """A sight, as the agent sees it; memory: its policy's, before."""
        frame = self.agent.tokenizer.decode(sight.tokens)
        logits, value, memory = self.agent.actor_critic(frame, memory)
        return Moment(
            sight=sight,
            step=parent.step + 1 if parent else 0,
            total=(parent.total if parent else 0.0) + sight.reward,
            action=action,
            seen=sight.frame if self.place == "dream" else to_picture(frame),
            chances=logits[0].softmax(-1).cpu().numpy(),
            value=float(value[0]),
            memory=memory,
            parent=parent,
        )

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
        keep = next(
            (
                m
                for m in path[len(path) // 10 + 1 :]
                if self.place != "game" or m.sight.game
            ),
            path[-1],
        )
        assert keep.parent is not None
        keep.parent.next, keep.parent.children, keep.parent = None, [], None
        self.first, self.twin = keep, None
        self.held = sum(1 for _ in self.all_moments())

    # Back and forth

    @property
    def line(self) -> list[Moment]:
        """From the first moment held, along each one's `next`."""
        found = [self.first]
        while found[-1].next is not None:
            found.append(found[-1].next)
        return found

    def back(self) -> None:
        """One step back."""
        self.playing = False
        self.cursor = self.cursor.parent or self.cursor
        self.anew = False

    def seek(self, step: int) -> None:
        """To a step of the line; the nearest there is."""
        self.playing = False
        line = self.line
        self.cursor = line[min(max(step - line[0].step, 0), len(line) - 1)]
        self.anew = False

    # Branches

    def branch(self) -> None:
        """The next step is a new one, though the line goes on here."""
        self.anew = not self.cursor.sight.end

    def all_moments(self) -> Iterable[Moment]:
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

    def choose_branch(self, number: int) -> None:
        """Walk along another branch; the cursor keeps its step if it can."""
        leaves = self.branches
        step = self.cursor.step
        path = leaves[number % len(leaves)].path()
        for before, after in pairwise(path):
            before.next = after
        self.seek(step)

    def edit(self, token: int, code: int) -> None:
        """Put another code in the current frame of a dream: a branch from here.

        Raises:
            ConfigError: not in a dream, or no such token or code.
        """
        tokens = self.cursor.sight.tokens.clone()
        if self.place != "dream":
            raise ConfigError(
                "Only a dream's tokens can be changed: dream from here first."
            )
        codes = self.agent.config.tokenizer.vocab_size
        if not (0 <= token < tokens.shape[1] and 0 <= code < codes):
            raise ConfigError(
                f"There is no token {token} with code {code}: a frame has"
                f" {tokens.shape[1]} tokens, of {codes} codes."
            )
        tokens[0, token] = code
        old, parent = self.cursor, self.cursor.parent
        with self.computing(), torch.no_grad():
            frames = self.imagination.dream.restore(tokens, old.sight.past)
            sight = replace(
                old.sight, frame=to_picture(frames), tokens=tokens, foresight=None
            )
            memory = parent.memory if parent else self.dream_start().memory
            moment = self.moment(sight, parent, old.action, memory)
        if parent is None:  # the first frame itself: the dream begins with the new one
            start = self.dream_start()
            known = torch.cat([start.tokens[:, :-1], tokens[:, None]], dim=1)
            self.dream.begin = replace(start, tokens=known, game=None)
            self.first, self.held = moment, 1
            self.cursor = self.here = moment
            moment.sight.game = None
        else:
            self.cursor = parent
            self.grow(moment)

    def dream_start(self) -> Start:
        assert self.dream.begin is not None  # so it is once a dream has begun
        return self.dream.begin

    def dream_from_here(self) -> None:
        """Leave the game, or the recorded episode, for the dream that begins here."""
        self.arrive()
        context = self.agent.config.world_model.dream_context
        path = self.cursor.path()[-context:]
        tokens = torch.stack([m.sight.tokens for m in path], dim=1)
        actions = [m.action for m in path[1:]]
        self.dream.begin = Start(
            tokens,
            torch.tensor([actions], dtype=torch.int64, device=self.agent.device),
            self.cursor.parent.memory
            if self.cursor.parent
            else self.agent.new_state(1),
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
        if not on:
            self.twin = None
            return
        if not self.has_game:
            raise ConfigError(
                "The real game can be played beside a dream only if the dream began"
                " in it: choose the dream, or a new start."
            )
        assert self.first.sight.game is not None
        self.twin = Twin(self.agent, self.first.sight.game)

    def follow(self) -> None:
        """Let the twin come along; playing stops where the two part."""
        if self.twin is None:
            return
        before = self.twin.parted
        with self.computing():
            self.twin.follow(self.cursor.path())
        if self.twin.parted is not None and before is None:
            self.playing = False


def positive(name: str, value: float) -> float:
    """A number above 0; ConfigError if it is not."""
    if not value > 0:
        raise ConfigError(f"{name} is {value}; it must be above 0.")
    return float(value)
