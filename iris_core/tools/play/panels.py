"""What a page needs to draw its panels: numbers for JSON, and pictures.

Each of `PANELS` is a pure function of a session and a node. The page draws them
(web/panels.js); `render.py` draws files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange

from iris_core.data.frames import to_pixels
from iris_core.imagination.introspection import attention as attention_weights
from iris_core.tools.play.session import Session
from iris_core.tools.play.side_by_side import DIVERGED
from iris_core.tools.play.worlds import Node, unpack

BLOCKS = 4  # shown with their attention weights
ROWS, COLUMNS = 6, 9  # branches in the tree, and frames of each

Pictures = dict[str, np.ndarray]  # name: uint8 (H, W, 3)
Content = tuple[Any, Pictures]  # for JSON, and pictures


class Panel(NamedTuple):
    title: str
    content: Callable[[Session, Node], Content]
    places: Sequence[str] = ("game", "dream", "replay")


def original(session: Session, node: Node) -> Content:
    """The emulator's own picture."""
    screen = node.obs.screen
    return None, {} if screen is None else {"original": unpack(screen)}


def tokens(session: Session, node: Node) -> Content:
    """The code of each token."""
    return node.obs.tokens[0].tolist(), reconstruction(session, node)[1]


def reconstruction(session: Session, node: Node) -> Content:
    return None, {"reconstruction": node.reconstruction}


def surprise(session: Session, node: Node) -> Content:
    """The cross-entropy of each token, in nats."""
    known = node.obs.prediction
    surprisal = None if known is None else known.surprisal.tolist()
    return surprisal, reconstruction(session, node)[1]


def policy(session: Session, node: Node) -> Content:
    return {"probs": node.action_probs.tolist(), "value": node.value}, {}


def outcome(session: Session, node: Node) -> Content:
    """The predicted probabilities of the reward's sign and of the end."""
    known = node.obs.prediction
    if known is None:
        return None, {}
    return {"reward": known.reward.tolist(), "end": known.end}, {}


def attention(session: Session, node: Node) -> Content:
    """Weights (n, P) of a head while it predicted the selected token, the action last,
    and the frames that it looked at."""
    if not node.obs.past:
        return None, {}
    model = session.agent.config.world_model
    layer = min(session.layer, model.num_layers - 1)
    head = min(session.head, model.num_heads - 1)
    weights, frames = attention_of(session, node, layer, head)
    found = {"weights": weights.tolist(), "layer": layer, "head": head}
    return found, {f"attention{i}": frame for i, frame in enumerate(frames)}


def tree(session: Session, node: Node) -> Content:
    """A row for each branch, aligned by step; a frame is shared with the row above."""
    leaves, seen, pictures = session.leaves, set[Node](), Pictures()
    steps, rows = tree_steps(leaves, node.step), []
    for number, leaf in list(enumerate(leaves))[-ROWS:]:
        path = {each.step: each for each in leaf.path()}
        cells: list[dict[str, Any]] = []
        for column, step in enumerate(steps):
            shown = path.get(step)
            if shown in seen:
                cells.append({"column": column, "shared": True})
            elif shown is not None:
                seen.add(shown)
                name = f"tree{len(seen)}"
                pictures[name] = shown.obs.frame
                cell = {"column": column, "picture": name, "cursor": shown is node}
                cells.append(cell)
        current = leaf is session.line[-1]
        row = {"branch": number, "total": leaf.total, "current": current}
        rows.append(row | {"cells": cells})
    return {"steps": steps, "rows": rows}, pictures


def twin(session: Session, node: Node) -> Content:
    """The real game under the same actions, and how far the dream is off."""
    rollout = session.real_rollout
    if rollout is None or not rollout.path:
        return None, {}
    at = min(len(node.path()), len(rollout.path)) - 1
    errors = {"divergence": rollout.divergence, "at": at, "limit": DIVERGED}
    return errors, {"real": rollout.frames[at]}


def timeline(session: Session, node: Node) -> Content:
    """The line from start to end. Indices count from its first node."""
    line = session.line
    events: dict[str, list] = {"rewards": [], "forks": [], "refills": [], "ends": []}
    for i, shown in enumerate(line):
        if shown.obs.reward:
            events["rewards"].append([i, shown.obs.reward])
        if len(shown.children) > 1:
            events["forks"].append(i)
        if shown.cache_refilled:
            events["refills"].append(i)
        if shown.obs.end:
            events["ends"].append(i)
    at, first = node.step - line[0].step, line[0].step
    return {"length": len(line), "at": at, "first": first, **events}, {}


def palette(session: Session, node: Node) -> Content:
    """The codes to paint with, as they would look at the selected token."""
    token = session.token
    if token is None or session.playing or session.place != "dream":
        return None, {}
    codes, tokenizer = session.palette, session.agent.tokenizer
    tried = node.obs.tokens.repeat(len(codes), 1)
    tried[:, token] = torch.tensor(codes, device=tried.device)
    with session.inference():
        frames = to_pixels(tokenizer.decode(tried))
    cell = 64 // tokenizer.grid_size
    y, x = (cell * at for at in divmod(token, tokenizer.grid_size))
    cells = frames[:, y : y + cell, x : x + cell]
    return {"codes": codes}, {"palette": rearrange(cells, "n h w c -> h (n w) c")}


PANELS = {
    "original": Panel("the emulator's picture", original, ("game",)),
    "reconstruction": Panel("what the tokens keep", reconstruction, ("game", "replay")),
    "tokens": Panel("tokens and their codes", tokens),
    "surprise": Panel("surprise, in nats", surprise),
    "policy": Panel("policy", policy),
    "outcome": Panel("predicted reward and end", outcome),
    "attention": Panel("attention", attention),
    "tree": Panel("branches", tree),
    "twin": Panel("the real game beside the dream", twin, ("dream",)),
}


# Parts of panels, which pictures of them need too


def attention_of(
    session: Session, node: Node, layer: int, head: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n, P) over the last n blocks, the action last, and their frames."""
    agent, obs, at = session.agent, node.obs, session.token or 0
    with session.inference():
        weights = attention_weights(agent, obs.past, obs.tokens, layer, head, at)
        # The frame itself is the last block where its own tokens were looked at
        seen = [*(block[:, :-1] for block in obs.past), obs.tokens][: len(weights)]
        frames = to_pixels(agent.tokenizer.decode(torch.cat(seen[-BLOCKS:])))
    return weights[-BLOCKS:], frames


def tree_steps(leaves: Sequence[Node], current: int) -> list[int]:
    """The steps in the tree, evenly spaced from the first fork on, the current one
    among them."""
    paths = [leaf.path() for leaf in leaves]
    forks = [m.step for path in paths for m in path if len(m.children) > 1]
    first = min(forks, default=paths[0][0].step)
    last = max(leaf.step for leaf in leaves[-ROWS:])
    steps = np.unique(np.linspace(first, last, COLUMNS).round().astype(int))
    if first <= current <= last:
        steps[np.abs(steps - current).argmin()] = current
    return list(steps.tolist())
