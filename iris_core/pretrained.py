"""Trained agents: this repository's, a run's, and those published with the paper.

A published file (`last.pt` of a run, or `pretrained_models/<Game>.pt`) is a flat state
dict. It holds more than an agent learns: LPIPS (which `LPIPS.from_published` reads) and
buffers that are rebuilt. Sizes are read off the tensors' shapes.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor

from iris_core.agent import Agent, outline
from iris_core.config.check import check, nearest
from iris_core.config.departures import Config
from iris_core.config.games import game_name
from iris_core.config.load import flatten
from iris_core.config.paths import user_path
from iris_core.config.setting import ConfigError
from iris_core.config.yaml_file import read_yaml
from iris_core.envs import ATARI_100K
from iris_core.models.vqgan import FRAME_SIZE
from iris_core.runtime.device import resolve_device
from iris_core.runtime.run_folder import Run
from iris_core.runtime.tensors import check_fit, read_tensors

AGENTS = Path(__file__).resolve().parents[1] / "data" / "agents"  # of the repository
REPOSITORY = "eloialonso/iris"  # on the Hugging Face Hub
CONFIGS = ("config/trainer.yaml", ".hydra/config.yaml", "config.yaml")  # of a run

# What the published names start with, and ours; other names are the same.
PREFIXES = {
    "world_model.embedder.embedding_tables.0.": "world_model.action_embedding.",
    "world_model.embedder.embedding_tables.1.": "world_model.token_embedding.",
    "world_model.head_observations.head_module.": "world_model.head_observations.",
    "world_model.head_rewards.head_module.": "world_model.head_rewards.",
    "world_model.head_ends.head_module.": "world_model.head_ends.",
    "actor_critic.conv1.": "actor_critic.convs.0.",
    "actor_critic.conv2.": "actor_critic.convs.1.",
    "actor_critic.conv3.": "actor_critic.convs.2.",
    "actor_critic.conv4.": "actor_critic.convs.3.",
}
WRAPPERS = r"^module\.|(?:^|(?<=\.))_orig_mod\."
FUSED = ("query", "key", "value")  # one matrix here, in this order
NOT_LEARNED = re.compile(
    r"tokenizer\.lpips\..*"
    r"|world_model\.transformer\.blocks\.\d+\.attn\.mask"
    r"|world_model\.head_\w+\.indices"
)


def load_agent(
    source: str | Path, device: str = "cpu", game: str | None = None
) -> Agent:
    """A trained agent, in evaluation mode.

        agent = iris_core.load_agent("freeway_hour")
        agent = iris_core.load_agent("~/runs/2026-01-31/12-00-00", device="cuda")

    Args:
        source: the name of an agent in the repository's data/agents, a run folder, an
            agent's .safetensors file, a published checkpoint, or the game of a
            published agent, which is downloaded once. Case counts: "pong" is the
            repository's agent, "Pong" the authors'.
        device: auto, cpu, cuda, cuda:1 or mps.
        game: what a published checkpoint plays, if neither its name (Pong.pt) nor a
            config beside its folder tells it.

    Raises:
        ConfigError: no such agent, a damaged file, another game, or no such device.
    """
    path = agent_path(source)
    if path.is_dir():
        path = Run.open(path).agent
    if path.suffix != ".safetensors":
        return load_published(path, game=game).to(resolve_device(device))
    agent = Agent.load(path).to(resolve_device(device))
    if game and game_name(game) != agent.game:
        raise ConfigError(f"{source} learned {agent.game}, not {game_name(game)}.")
    return agent


def agent_path(source: str | Path) -> Path:
    """Where the agent of a name is, or of a path: a file, or a run folder."""
    name, path = str(source), user_path(source)
    if path.is_file() or (path / "config.yaml").is_file():
        return path
    if name in shipped_agents():
        return AGENTS / f"{name}.safetensors"
    if name in ATARI_100K:
        return _download(name)
    if path.is_dir():
        return path  # of no run, which opening it will say
    raise ConfigError(no_agent(name))


def shipped_agents() -> list[str]:
    """The names of the agents in data/agents; none in a copy without the repository."""
    return sorted(file.stem for file in AGENTS.glob("*.safetensors"))


def no_agent(name: str) -> str:
    """The message for what is neither a file nor a name."""
    shipped = shipped_agents()
    hint = nearest(Path(name).stem, [*shipped, *ATARI_100K], count=1)
    ours = f"The repository's agents are {', '.join(shipped)}."
    if not shipped:
        ours = (
            "The repository's agents are not in this copy of the library: to name one,"
            " clone the repository and install it from there (pip install -e .)."
        )
    return (
        f"No agent at {name}: check the path, or give a name.{hint} {ours} Published"
        " agents go by their game, one of the paper's 26, e.g. Breakout."
    )


def load_published(
    path_or_game: str | Path, *, config: Config | None = None, game: str | None = None
) -> Agent:
    """The agent of a published checkpoint, in evaluation mode, on the CPU.

    path_or_game: a file, or one of the 26 games (e.g. "Breakout"), which is downloaded
    from the Hugging Face Hub and kept. config: the settings to use; by default the
    paper's, with the sizes found in the file and 4 attention heads, which it hides.
    game: as for `load_agent`; "" if nothing tells it, and then it can't be played.
    ConfigError if the file cannot be had, or does not hold what the agent needs.
    """
    path = agent_path(path_or_game)
    tensors = unwrapped(read_tensors(path))
    found = config or read_config(tensors)
    if config is None or game:
        found.env.game = game_name(game) if game else game_of(path)
    lpips = any(name.startswith("tokenizer.lpips.") for name in tensors)
    if config is None and lpips:
        found.tokenizer.loss.lpips_weights = str(path.absolute())
    num_actions = _size(tensors, "world_model.embedder.embedding_tables.0.weight", 0)
    actions = [f"action {i}" for i in range(num_actions)]
    learned = {k: v for k, v in tensors.items() if not NOT_LEARNED.fullmatch(k)}
    try:
        check_fit(learned, to_published(outline(found, actions, path)), path)
    except ConfigError as error:
        hint = " If you gave a config, use one with the checkpoint's sizes, or none."
        raise ConfigError(f"{error}{hint}") from error
    agent = Agent(found, actions)
    agent.load_state_dict(from_published(learned))
    return agent.eval()


def game_of(path: Path) -> str:
    """The game of a published file, by its name or by the config of its run, the folder
    around checkpoints/; "" if neither tells it."""
    names = [path.stem]
    for file in (path.absolute().parents[1] / name for name in CONFIGS):
        if file.is_file():
            values = read_yaml(file)
            told = dict(flatten(values)) if isinstance(values, dict) else {}
            names += [str(told.get(name, "")) for name in ("env.train.id", "env.game")]
    for name in names:
        with suppress(ConfigError):
            return game_name(name)
    return ""


def unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without what DistributedDataParallel and torch.compile put before them."""
    return {re.sub(WRAPPERS, "", name): tensor for name, tensor in tensors.items()}


def read_config(tensors: Mapping[str, Tensor]) -> Config:
    """The paper's configuration with the sizes of a published state dict.

    ConfigError if a tensor that tells a size is missing, or tells an impossible one.
    """
    config = Config()
    tokenizer, world_model = config.tokenizer, config.world_model
    tokenizer.vocab_size = _size(tensors, "tokenizer.embedding.weight", 0)
    tokenizer.embed_dim = _size(tensors, "tokenizer.embedding.weight", 1)
    tokenizer.z_channels = _size(tensors, "tokenizer.pre_quant_conv.weight", 1)
    tokenizer.channels = _size(tensors, "tokenizer.encoder.conv_in.weight", 0)
    down = r"tokenizer\.encoder\.down\.{}"
    tokenizer.levels = len(_indices(tensors, down.format(r"(\d+)\.")))
    tokenizer.num_res_blocks = len(_indices(tensors, down.format(r"0\.block\.(\d+)\.")))
    attention = _indices(tensors, down.format(r"(\d+)\.attn\."))
    tokenizer.attention_resolutions = sorted(FRAME_SIZE >> i for i in attention)

    tokens_per_block = (FRAME_SIZE >> max(tokenizer.levels - 1, 0)) ** 2 + 1
    positions = _size(tensors, "world_model.pos_emb.weight", 0)
    world_model.embed_dim = _size(tensors, "world_model.pos_emb.weight", 1)
    world_model.max_blocks = positions // tokens_per_block
    blocks = _indices(tensors, r"world_model\.transformer\.blocks\.(\d+)\.")
    world_model.num_layers = len(blocks)
    mask = tensors.get("world_model.transformer.blocks.0.attn.mask")
    if mask is not None and bool(mask[:1, 1:2].any()):  # token 0 sees the one after it
        world_model.attention = "block_causal"

    config.actor_critic.channels = [
        _size(tensors, f"actor_critic.conv{i}.weight", 0) for i in (1, 2, 3, 4)
    ]
    config.actor_critic.lstm_dim = _size(tensors, "actor_critic.lstm.weight_hh", 1)
    return check(config)


def from_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published names and tensors -> ours, for `Agent.load_state_dict`."""
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        layer = re.fullmatch(rf"(.*\.attn\.){FUSED[0]}\.(weight|bias)", name)
        if layer:
            parts = [tensors[f"{layer[1]}{part}.{layer[2]}"] for part in FUSED]
            state[f"{layer[1]}qkv.{layer[2]}"] = torch.cat(parts)  # (3 E, E) or (3 E,)
        elif not re.fullmatch(r".*\.attn\.(key|value)\.(weight|bias)", name):
            state[_renamed(name, PREFIXES)] = tensor
    return state


def to_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names and tensors -> published ones: the inverse of `from_published`."""
    back = {ours: published for published, ours in PREFIXES.items()}
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        layer = re.fullmatch(r"(.*\.attn\.)qkv\.(weight|bias)", name)
        if layer:
            for part, piece in zip(FUSED, tensor.chunk(3), strict=True):
                tensors[f"{layer[1]}{part}.{layer[2]}"] = piece
        else:
            tensors[_renamed(name, back)] = tensor
    return tensors


def _renamed(name: str, prefixes: Mapping[str, str]) -> str:
    for old, new in prefixes.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _size(tensors: Mapping[str, Tensor], name: str, axis: int) -> int:
    if name not in tensors:
        raise ConfigError(
            f"no tensor {name} among {len(tensors)}: this is not a published IRIS"
            " checkpoint (last.pt of a run, or a pretrained model)"
        )
    if tensors[name].ndim <= axis:
        raise ConfigError(
            f"{name} is no matrix: this is not a published IRIS checkpoint"
        )
    return tensors[name].shape[axis]


def _indices(tensors: Mapping[str, Tensor], pattern: str) -> set[int]:
    """The different numbers that a pattern's group finds in the names."""
    matches = (re.match(pattern, name) for name in tensors)
    return {int(match[1]) for match in matches if match}


def check_network(address: str, seconds: float = 4.0) -> None:
    """OSError unless a host answers at once: its client would try for half a minute.

    Through a proxy nothing can be said, and nothing is.
    """
    if getproxies():
        return
    found = urlsplit(address)
    port = found.port or (80 if found.scheme == "http" else 443)
    answered = Event()

    def connect() -> None:  # in a thread, for looking up a name knows no time limit
        with suppress(OSError):
            socket.create_connection((found.hostname, port), seconds).close()
            answered.set()

    thread = Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answered.is_set():
        raise ConnectionError(f"{found.hostname} does not answer")


def _download(game: str) -> Path:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ConfigError(
            "published agents are downloaded with huggingface_hub:"
            " pip install 'iris_core[published]', or give the path of a file"
        ) from error
    filename = f"pretrained_models/{game}.pt"
    kept = huggingface_hub.try_to_load_from_cache(REPOSITORY, filename)
    if isinstance(kept, str):
        return Path(kept)
    try:
        check_network(huggingface_hub.constants.ENDPOINT)
        return Path(
            huggingface_hub.hf_hub_download(repo_id=REPOSITORY, filename=filename)
        )
    except Exception as error:  # the client lets many kinds through
        raise ConfigError(
            f"{filename} of {REPOSITORY} cannot be downloaded ({type(error).__name__})"
            " and is not in the cache: connect to the network, or give the path of a"
            " file"
        ) from error
