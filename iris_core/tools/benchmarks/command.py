"""iris bench: how long training takes on this machine, and why.

It times every part of training at a preset's sizes. Beside them: what each optimisation
is worth, the least that the work could take, and how long a full run would.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from iris_core.config import load_config
from iris_core.runtime.command_line import a_path, at_least_one
from iris_core.runtime.files import check_folder, write_atomic
from iris_core.tools.benchmarks import report
from iris_core.tools.benchmarks.parts import make_state
from iris_core.tools.benchmarks.timing import machine


def main(argv: Sequence[str]) -> int:
    """iris bench [name=value ...] [options]; returns the exit code, which is 1 if an
    optimisation changes what is computed."""
    parser = argparse.ArgumentParser(prog="iris bench", description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="name=value")
    parser.add_argument("--repeats", type=at_least_one, default=5, metavar="N")
    about = "of this device, an hour: prices the full run"
    parser.add_argument("--price", type=float, metavar="USD", help=about)
    about = "the JSON; by default results/benchmarks/PRESET-DEVICE.json"
    parser.add_argument("--out", type=a_path, metavar="FILE", help=about)
    args = parser.parse_intermixed_args(argv)
    config = load_config(overrides=args.overrides)
    with tempfile.TemporaryDirectory() as folder:
        config.outputs = folder
        state = make_state(config)
        out = args.out or default_file(args.overrides, state.device)
        check_folder(out.parent, "--out")
        found = {
            "overrides": args.overrides,
            "repeats": args.repeats,
            "machine": machine(config),
            **report.study(state, config, args.repeats, args.price),
        }
    write_atomic(out, json.dumps(found, indent=2) + "\n")
    report.draw(found, out.with_suffix(".png"))
    print(f"{report.text(found)}\n\n{out}")
    for line in found["differing"]:
        print(line, file=sys.stderr)
    return 1 if found["differing"] else 0


def default_file(overrides: Sequence[str], device: torch.device) -> Path:
    """results/benchmarks/<preset>-<device>.json"""
    preset = dict(o.split("=", 1) for o in overrides).get("preset", "tutorial")
    return Path("results", "benchmarks", f"{preset}-{device.type}.json")
