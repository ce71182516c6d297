"""The parts that are timed, and the trainer that they are of."""

from iris_core.config import load_config
from iris_core.tools.benchmarks import parts


def test_nothing_is_left_to_encode(make_trainer, monkeypatch):
    trainer = make_trainer()
    parts.warm_token_cache(trainer)
    assert trainer.token_cache.encoded.sum() == trainer.replay.num_steps + 1
    monkeypatch.setattr(trainer.agent.tokenizer, "tokenize", None)  # not called again
    parts.warm_token_cache(trainer)
    trainer.tokens(trainer.replay.sample(4, 3, trainer.rng, pixels=False))


def test_the_papers_batches_are_cut_on_a_cpu(tmp_path):
    config = load_config("paper", ["device=cpu", f"outputs={tmp_path}"])
    config.env.game = "Catch"
    trainer = parts.make_trainer(config)
    sizes = [c.config.batch_size for c in trainer.components]
    assert sizes == [8, 2, 4]
    assert config.tokenizer.updates.batch_size == 256
