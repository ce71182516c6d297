"""`iris export`: an agent's folder, for a page that has no Python."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from iris_core.agent import Agent
from iris_core.config.setting import ConfigError
from iris_core.data.frames import to_pixels
from iris_core.pretrained import agent_path, load_agent
from iris_core.runtime.files import check_folder, write_atomic

if TYPE_CHECKING:
    from iris_core.tools.export.card import Beginnings

NAMES = ("world_model.onnx", "policy.onnx", "agent.json", "picture.png")


def export(
    source: str | Path, folder: Path, compact: bool = False, game: str | None = None
) -> dict[str, int]:
    """Write an agent, found by `load_agent`, into a folder; the files' sizes in bytes.

    compact: to be downloaded: gzip packs everything but the picture, and the policy's
    large weights are rounded; the world model and the frames stay exact.

    Raises:
        ConfigError: no such agent, or one that remembers too little; the extra `export`
            is not installed; or the folder can't be written. No file has changed then.
    """
    try:
        from iris_core.tools.export import card, storage, trace
    except ModuleNotFoundError as error:
        raise ConfigError(
            "ONNX models are made with onnx and onnxscript:"
            " pip install 'iris-core[export]'"
        ) from error
    path = agent_path(source)
    agent = load_agent(path, game=game)
    trace.check_memory(agent)
    check_files(folder)
    begin = card.find_beginnings(agent, path)
    world_model, policy = trace.dream_step(agent), trace.policy(agent)
    if compact:
        storage.round_weights(policy, "actor_critic.")
    for model in (world_model, policy):
        storage.halve(model)
    about = json.dumps(card.make_card(agent, path, begin), separators=(",", ":"))
    models = world_model.SerializeToString(), policy.SerializeToString()
    contents = [*models, about.encode()]
    if compact:  # the same bytes give the same file
        contents = [gzip.compress(data, mtime=0) for data in contents]
    contents.append(picture(agent, begin))
    files = dict(zip(NAMES, contents, strict=True))
    for name, data in files.items():
        write_atomic(folder / name, data)
    return {name: len(data) for name, data in files.items()}


def read_card(folder: Path) -> dict[str, Any]:
    """What agent.json of an exported folder holds, packed or not."""
    data = (folder / "agent.json").read_bytes()
    packed = data.startswith(b"\x1f\x8b")
    return json.loads(gzip.decompress(data) if packed else data)


def check_files(folder: Path) -> None:
    """Refuse a folder that the files can't be written into."""
    check_folder(folder, "--onnx")
    for name in NAMES:
        if (folder / name).is_dir():
            raise ConfigError(f"{folder / name} is a folder. Move it out of the way.")


def picture(agent: Agent, begin: Beginnings) -> bytes:
    """The first start's frame, as the dream shows it."""
    frames = agent.tokenizer.decode(begin.starts[0].tokens[:, -1]).detach()
    file = io.BytesIO()
    Image.fromarray(to_pixels(frames)[0]).save(file, "png")
    return file.getvalue()
