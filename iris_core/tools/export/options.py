"""The options of `iris export`; light, for `iris --help` is quick."""

from __future__ import annotations

from argparse import ArgumentParser as Parser

from iris_core.runtime.command_line import a_path, add_agent


def add_export_options(command: Parser) -> None:
    """Which agent is exported, and where to."""
    add_agent(command)
    add = command.add_argument
    about = "for world_model.onnx, policy.onnx, agent.json and picture.png"
    add("--onnx", type=a_path, metavar="FOLDER", required=True, help=about)
    about = (
        "to be downloaded: models packed with gzip, the policy's large weights rounded"
    )
    add("--compact", action="store_true", help=about)
