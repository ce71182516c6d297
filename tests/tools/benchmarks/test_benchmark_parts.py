"""The parts that are timed, and the run that they are of."""

from iris_core.config import load_config
from iris_core.tools.benchmarks import parts


def test_nothing_is_left_to_encode(make_state):
    state = make_state()
    parts.warm_token_cache(state)
    assert state.experience.token_cache.encoded.sum() == state.replay.num_steps + 1
    encoded = []
    encoder = state.agent.tokenizer.encoder
    encoder.register_forward_hook(lambda *_: encoded.append(1))
    parts.warm_token_cache(state)
    state.experience.token_cache.tokens(state.world_model.draw_batch())
    assert not encoded


def test_the_papers_batches_are_cut_on_a_cpu(tmp_path):
    config = load_config("paper", ["device=cpu", f"outputs={tmp_path}"])
    config.env.game = "Catch"
    state = parts.make_state(config)
    sizes = [c.config.batch_size for c in state.components.values()]
    assert sizes == [8, 2, 4]
    assert config.tokenizer.updates.batch_size == 256
