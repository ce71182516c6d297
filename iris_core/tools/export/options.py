"""The options of `iris export`; light, for `iris --help` is quick."""

from __future__ import annotations

from argparse import ArgumentParser as Parser

from iris_core.runtime.command_line import a_path, add_agent


def add_export_options(command: Parser) -> None:
    """Which agents are exported, and where to."""
    add_agent(command)
    add = command.add_argument
    add("more", nargs="*", metavar="AGENT", help="further ones of a page")
    to = command.add_mutually_exclusive_group(required=True)
    about = "for world_model.onnx, policy.onnx, agent.json and picture.png"
    to.add_argument("--onnx", type=a_path, metavar="FOLDER", help=about)
    about = "for a page to play in, with all that it needs, for any static host"
    to.add_argument("--page", type=a_path, metavar="FOLDER", help=about)
    about = "of --onnx, to be downloaded: packed, the policy's large weights rounded"
    add("--compact", action="store_true", help=about)
