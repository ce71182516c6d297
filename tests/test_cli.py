"""The command line: what it prints, what it refuses, and with which exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from running import make_state

from iris_core import cli
from iris_core.agent import Agent, TrainingRecord
from iris_core.config import (
    Config,
    ConfigError,
    config_to_yaml,
    load_config,
    walk,
)
from iris_core.runtime.run_folder import Run
from iris_core.tools.scores import run_records
from iris_core.tools.scores.run_records import own_runs
from iris_core.training.state import Interrupted, TrainingState
from iris_core.training.train import train_state


def iris(*arguments):
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "iris_core.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def refused(capsys, *arguments):
    """The message with which a command line is refused."""
    assert cli.main(arguments) == cli.BAD_INPUT
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err


def test_alone_it_prints_help():
    done = iris()
    assert done.returncode == 0 and "iris train" in done.stdout
    assert iris("--help").stdout == done.stdout


COMMANDS = ["train", "resume", "eval", "export", "settings", "games"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert f"iris {command}" in capsys.readouterr().out


def test_bench_reads_its_own_arguments(capsys):
    given = ["--help", "tokenizer", "--repeats", "3"]
    args, extra = cli.build_parser().parse_known_args(["bench", *given])
    cli.place_extra(args, extra)
    assert args.arguments == given
    with pytest.raises(SystemExit):
        args.run(args)
    assert "--repeats N" in capsys.readouterr().out  # which `iris --help` lacks


def test_help_imports_no_torch():
    code = (
        "import sys, iris_core.cli as c; c.main([]); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cfg", "job", "preset=smoke", "env.game=Pong"],
        ["preset=smoke", "--cfg", "job", "env.game=Pong"],
        ["preset=smoke", "env.game=Pong", "--cfg", "job"],
    ],
)
def test_cfg_prints_what_a_notebook_loads(arguments, capsys):
    assert cli.main(["train", *arguments]) == 0
    expected = load_config("smoke", ["env.game=Pong"])
    assert capsys.readouterr().out == config_to_yaml(expected)


def test_settings_lists_every_one(capsys):
    assert cli.main(["settings", "preset=tutorial"]) == 0
    out = capsys.readouterr().out
    for name, _, _ in walk(Config()):
        assert f" {name} = " in out
    assert "* tokenizer.architecture = patch  (paper: vqgan)" in out
    assert "\n  actor_critic.lam = 0.95\n" in out


def test_settings_that_depart_from_the_paper(capsys):
    assert cli.main(["settings", "preset=paper", "--changed", "seed=7"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert lines == [
        "* seed = 7  (paper: 0)",
        "      of every random number [a whole number, 0 or more]",
    ]


def test_settings_into_a_closed_pipe():
    command = f"{sys.executable} -m iris_core.cli settings | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("*") and done.stderr == ""


def test_games(capsys):
    assert cli.main(["games"]) == 0
    out = capsys.readouterr().out
    assert "Breakout" in out and "Catch" in out and "SpaceInvaders" in out


def test_the_exit_code_of_the_command():
    done = iris("train", "env.gme=Pong")
    assert done.returncode == 2 and done.stdout == ""
    assert "unknown setting env.gme" in done.stderr and "env.game" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("tokenizer.vocab_size=1", "from 2 to"),
        ("preset=papr", "Did you mean paper"),
        ("env.game=Brekout", "Breakout"),
        ("env.game=ALE/Brekout-v5", "Breakout"),
        ("Breakout", "name=value"),
    ],
)
def test_train_refuses(override, word, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert word in refused(capsys, "train", override)
    assert list(tmp_path.iterdir()) == []  # no run folder stays behind


def test_a_mistyped_option(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", "--gpu"])
    assert caught.value.code == 2
    assert "no such run folder: a" in refused(capsys, "resume", "a", "b")
    with pytest.raises(SystemExit):
        cli.main(["learn"])


def test_outputs_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").touch()
    message = refused(capsys, "train", "preset=smoke", f'outputs="{tmp_path}/file/x"')
    assert "cannot write" in message and "outputs=FOLDER" in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_cuda(capsys, tmp_path):
    arguments = ["train", "preset=smoke", "device=cuda", f'outputs="{tmp_path}/o"']
    assert "cuda" in refused(capsys, *arguments)
    assert not (tmp_path / "o").exists()


def test_resuming_what_is_not_there(capsys, tmp_path):
    assert "no such run folder" in refused(capsys, "resume", str(tmp_path / "run"))
    assert "not a run folder" in refused(capsys, "resume", str(tmp_path))


def test_resuming_a_run_without_a_checkpoint(capsys, tmp_path):
    run = Run.create(load_config("smoke", [f'outputs="{tmp_path}"']))
    assert "checkpoint" in refused(capsys, "resume", str(run.path))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_run_of_a_gpu_is_resumed_without_one(capsys, tmp_path):
    run = Run.create(load_config("smoke", [f'outputs="{tmp_path}"']))
    run.config.device = "cuda"
    (run.path / "config.yaml").write_text(config_to_yaml(run.config))
    assert "--device cpu" in refused(capsys, "resume", str(run.path))
    message = refused(capsys, "resume", str(run.path), "--device", "cpu")
    assert "checkpoint" in message and "CUDA" not in message


def small_agent(path: Path) -> Path:
    config = load_config("smoke")
    Agent(config, ["NOOP", "LEFT", "RIGHT"]).save(path)
    return path


def test_eval_of_what_is_not_there(capsys, tmp_path):
    absent = str(tmp_path / "agent.safetensors")
    assert absent in refused(capsys, "eval", absent)
    assert "not a run folder" in refused(capsys, "eval", str(tmp_path))


def test_commands_take_the_name_of_an_agent(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["eval", "catch", "--episodes", "1", "--no-record"]) == 0
    assert json.loads(capsys.readouterr().out)["game"] == "Catch"
    assert cli.main(["record", "catch", "--steps", "2"]) == 0
    assert list(Path("media", "recordings").glob("catch-*.mp4"))
    assert "Did you mean catch?" in refused(capsys, "play", "catsh")


def test_eval_of_a_truncated_agent(capsys, tmp_path):
    path = small_agent(tmp_path / "agent.safetensors")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut" in refused(capsys, "eval", str(path))


def test_eval_out_of_range(capsys, tmp_path):
    path = small_agent(tmp_path / "agent.safetensors")
    assert "device" in refused(capsys, "eval", str(path), "--device", "gpu")
    with pytest.raises(SystemExit) as caught:
        cli.main(["eval", str(path), "--temperature", "0"])
    assert caught.value.code == cli.BAD_INPUT
    assert "--temperature: got '0'" in capsys.readouterr().err


def test_eval_gives_one_json(capsys, tmp_path):
    path = small_agent(tmp_path / "agent.safetensors")
    options = ["--episodes", "3", "--envs", "2", "--device", "cpu", "--seed", "5"]
    assert cli.main(["eval", str(path), *options]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["game"] == "Catch" and result["episodes"] == 3
    assert len(result["returns"]) == len(result["lengths"]) == 3
    assert result["interval_95"][0] <= result["mean"] <= result["interval_95"][1]
    assert result["human_normalised"] is None  # Catch has no human score
    assert "Catch: mean return" in captured.err
    out = tmp_path / "result.json"
    assert cli.main(["eval", str(path), *options, "--out", str(out)]) == 0
    assert json.loads(out.read_text()) == result  # the seed decides everything
    assert capsys.readouterr().out == ""


def agent_with_record(path: Path) -> Path:
    agent = Agent.load(small_agent(path))
    agent.training_record = TrainingRecord("smoke", 7, 180, 0.5, 0.4, "cpu", "abc")
    agent.save(path)
    return path


def test_eval_records_the_score(capsys, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    monkeypatch.setattr(run_records, "results_folder", lambda: folder)
    path = str(agent_with_record(tmp_path / "agent.safetensors"))
    command = ["eval", path, "--episodes", "2", "--out", str(tmp_path / "x.json")]
    output = [capsys.readouterr().err for _ in range(2) if cli.main(command) == 0]
    table = tmp_path / "runs" / "scores.csv"
    assert f"Recorded in {table}" in output[0] and "has this score already" in output[1]
    (row,) = own_runs(table).itertuples(index=False)
    assert (row.game, row.seed, row.preset, row.steps) == ("Catch", 7, "smoke", 180)
    assert row.episodes == 2
    other = tmp_path / "other.csv"
    options = [["--no-record"], ["--temperature", "0.1"], ["--noops", "9"]]
    for option in [*options, ["--record", str(other)]]:
        assert cli.main([*command, *option]) == 0
    assert len(own_runs(table)) == 1 == len(own_runs(other))
    output = capsys.readouterr().err
    assert "Not recorded: its settings name another test temperature" in output
    assert "Not recorded: its settings name other test starts" in output


def test_eval_from_starts_that_differ(capsys, tmp_path):
    path = str(small_agent(tmp_path / "agent.safetensors"))
    command = ["eval", path, "--episodes", "2", "--noops", "30"]
    assert cli.main(command) == 0
    assert json.loads(capsys.readouterr().out)["noops"] == 30
    agent = Agent.load(path)
    cli.test_report(agent, cli.build_parser().parse_args(command))
    assert agent.config.env.test_noop_max == 30


def test_eval_refuses_to_record_what_it_cannot(capsys, tmp_path):
    bare = str(small_agent(tmp_path / "bare.safetensors"))
    output = refused(capsys, "eval", bare, "--record", str(tmp_path / "x.csv"))
    assert "does not say how the agent was trained" in output
    path = str(agent_with_record(tmp_path / "agent.safetensors"))
    (tmp_path / "bad.csv").write_text("game,score\nCatch,1\n")
    output = refused(capsys, "eval", path, "--record", str(tmp_path / "bad.csv"))
    assert "no column seed" in output
    assert not (tmp_path / "x.csv").exists()


def test_eval_that_cannot_write(capsys, tmp_path):
    path = small_agent(tmp_path / "agent.safetensors")
    options = ["--episodes", "1", "--out", str(tmp_path / "absent" / "result.json")]
    assert "cannot write" in refused(capsys, "eval", str(path), *options)


def test_eval_needs_an_episode(tmp_path):
    with pytest.raises(SystemExit) as caught:
        cli.main(["eval", "x", "--episodes", "0"])
    assert caught.value.code == 2


class Stopped(TrainingState):
    """Is asked to stop before its first step."""

    def check_stop(self) -> None:
        raise Interrupted


def test_an_interrupted_training_says_how_to_continue(capsys, tmp_path):
    config = load_config("smoke", [f'outputs="{tmp_path}"', "device=cpu"])
    state = Stopped(config, Run.create(config, tmp_path / "my run"))
    assert cli.finish(state) == 130
    assert f"iris resume '{state.run.path}'" in capsys.readouterr().out


def test_a_diverged_training_goes_on_with_a_lower_rate(capsys, tmp_path):
    rate = "tokenizer.updates.learning_rate"
    state = make_state(tmp_path, f"{rate}=1e30", "collection.warm_start_steps=0")
    assert cli.finish(state) == cli.BAD_INPUT
    message = capsys.readouterr().err
    assert "of the tokenizer became" in message
    assert "Nothing was saved yet" in message and "iris resume" not in message
    state = make_state(tmp_path, f"{rate}=1e30")  # with a warm start
    assert cli.finish(state) == cli.BAD_INPUT
    resume = ["resume", str(state.run.path)]
    message = capsys.readouterr().err
    assert "iris resume" in message and "updates.learning_rate=" in message
    assert "env.game can't change" in refused(capsys, *resume, "env.game=Pong")
    assert cli.main([*resume, f"{rate}=1e-4", "training.epochs=1"]) == 0
    config = Run.open(state.run.path).config
    assert config.tokenizer.updates.learning_rate == 1e-4
    assert config.training.epochs == 1


def test_lpips_is_tried_before_a_run_begins(capsys, tmp_path):
    weights = f"tokenizer.loss.lpips_weights={tmp_path}/absent.pt"
    options = ["preset=smoke", "tokenizer/loss=lpips", weights]
    message = refused(capsys, "train", *options, f"outputs={tmp_path}/runs")
    assert "absent.pt" in message
    assert not (tmp_path / "runs").exists()


def test_lpips_is_tried_before_a_run_goes_on(tmp_path):
    state = make_state(tmp_path)
    loss = state.config.tokenizer.loss
    loss.perceptual, loss.lpips_weights = 1.0, f"{tmp_path}/absent.pt"
    with pytest.raises(ConfigError, match="absent.pt"):
        train_state(state)
    assert state.progress.env_steps == 0


class FullDisk(TrainingState):
    """Can't save its agent from an epoch on."""

    full_from: int

    def save_agent(self, path: Path) -> None:
        if self.progress.epoch >= self.full_from:
            raise OSError(28, "No space left on device", str(path))
        super().save_agent(path)


@pytest.mark.parametrize(("epoch", "way_on"), [(3, "iris resume"), (1, "iris train")])
def test_a_full_disk(epoch, way_on, capsys, tmp_path):
    state = make_state(tmp_path, "evaluation.every=9", "collection.warm_start_steps=0")
    state.__class__, state.full_from = FullDisk, epoch
    if epoch == 1:
        state.replay.save = state.save_agent  # the first thing that is written
    assert cli.finish(state) == cli.BAD_INPUT
    message = capsys.readouterr().err
    assert "No space left on device" in message and way_on in message


def test_an_unexpected_error_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(cli, "walk", None)
    with pytest.raises(TypeError):
        cli.main(["settings"])
