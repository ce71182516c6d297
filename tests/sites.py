"""The page without Python: its JavaScript in node, and its folder with small agents."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from iris_core.agent import Agent
from iris_core.config import ConfigError
from iris_core.tools.export.page import write_page
from iris_core.tools.export.runtime import package


def node(*arguments: str | Path) -> str:
    """What node prints; the test is skipped where there is none."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("NO NODE on the PATH: THE PAGE'S JAVASCRIPT IS NOT TESTED")
    command = [found, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_site(folder: Path, agents: Mapping[str, Agent]) -> None:
    """A page's folder, with these agents by name; the test is skipped where the
    browser's runtime can't be had."""
    try:
        package()
    except ConfigError as error:
        pytest.skip(f"NO RUNTIME: THE PAGE IS NOT TESTED. {error}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    sources = [folder.with_name(f"{name}.safetensors") for name in agents]
    for source, agent in zip(sources, agents.values(), strict=True):
        agent.save(source)
    write_page(folder, sources)
