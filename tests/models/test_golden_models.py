"""The models reproduce the published implementation's numbers (tests/golden/golden_a).

Tolerances are the largest error over the largest value of the array, and tight on
purpose: a LayerNorm eps of 1e-6 or a tanh-GELU would be noticed. IRIS_TEST_DEVICE=cuda
checks a GPU's numbers, as `make gpu-check` does.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iris_core.agent import Agent, greedy
from iris_core.config import Config
from iris_core.data.batch import Batch
from iris_core.imagination.graphed_env import GraphedWorldModelEnv
from iris_core.imagination.rollout import imagine
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models.actor_critic import Rollout, lambda_returns
from iris_core.models.base_world_model import BaseWorldModel, WorldModelOutput
from iris_core.pretrained import load_published, read_config, to_published
from iris_core.runtime.device import disable_tf32

DEVICE = os.environ.get("IRIS_TEST_DEVICE", "cpu")
GOLDEN = Path(__file__).parents[1] / "golden"
AGENT = GOLDEN / "golden_a" / "agent.pt"
META = json.loads((GOLDEN / "golden_a" / "config.json").read_text())["meta"]
IO = np.load(GOLDEN / "golden_a" / "io.npz")
TOLERANCE = {"tok": 1e-4, "act": 1e-4, "imag": 1e-4, "dream": 1e-4}
TOLERANCE |= {"wm": 1e-5, "wml": 1e-5, "ac": 1e-5, "lam": 1e-6, "acl": 1e-6}


CUDA = [
    pytest.mark.gpu,
    pytest.mark.skipif(not DEVICE.startswith("cuda"), reason="needs a CUDA device"),
]
if DEVICE != "cpu":
    disable_tf32()


def golden(name: str) -> Tensor:
    return torch.from_numpy(IO[name]).to(DEVICE)


def frames(name: str) -> Tensor:
    """Stored uint8 frames as float in [0, 1]."""
    return golden(name).float() / 255


def check(ours: Tensor, name: str) -> None:
    """Equal to the golden array: exactly for integers, else within its tolerance."""
    theirs = golden(name)
    assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
    if not theirs.is_floating_point():
        assert torch.equal(ours.long(), theirs.long()), name
        return
    error = (ours.detach() - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12)
    assert error <= TOLERANCE[name.split("/")[0]], f"{name}: {error:.2e}"


@pytest.fixture
def agent() -> Agent:
    """The small agent, fresh for every test so that gradients do not mix."""
    agent = load_published(AGENT).to(DEVICE)
    agent.config.tokenizer.loss.perceptual = 0.0  # the golden loss leaves LPIPS out
    return agent


def gradients(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    """Gradients under the published names: fused attention comes apart."""
    ours = {f"{prefix}.{k}": p.grad for k, p in module.named_parameters()}
    found = {name: grad for name, grad in ours.items() if grad is not None}
    assert len(found) == len(ours), "a parameter without a gradient"
    published = to_published(found)
    return {k.removeprefix(f"{prefix}."): v for k, v in published.items()}


def norms(grads: dict[str, Tensor], names: list[str]) -> Tensor:
    assert sorted(grads) == sorted(names)
    # In double: float32 sums over a million gradients lose the fifth digit.
    return torch.stack([grads[name].double().norm() for name in names])


# --- sizes


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_of_the_paper() -> None:
    agent = Agent(Config(), ["NOOP", "FIRE", "RIGHT", "LEFT"])
    assert count(agent.tokenizer) == 4_027_523
    assert count(agent.world_model) == 8_447_493
    assert count(agent.actor_critic) == 3_217_957


def test_adamw_groups_of_the_paper() -> None:
    file = json.loads((GOLDEN / "paper_state_dict_keys.json").read_text())
    world_model = Agent(Config(), ["NOOP", "FIRE", "RIGHT", "LEFT"]).world_model
    names = {id(p): name for name, p in world_model.named_parameters()}
    groups = world_model.optimizer_groups(0.01)
    theirs = file["world_model_optimizer_groups"]
    assert [g["weight_decay"] for g in groups] == [g["weight_decay"] for g in theirs]
    for ours, group in zip(groups, theirs, strict=True):
        named = {f"world_model.{names[id(p)]}": p for p in ours["params"]}
        found = {name.removeprefix("world_model.") for name in to_published(named)}
        wanted = {name.removeprefix("world_model.") for name in group["params"]}
        assert found == wanted


# --- tokenizer


def test_tokenizer(agent: Agent) -> None:
    code = agent.tokenizer.encode(frames("tok/obs_u8"))
    check(code.z, "tok/z")
    check(code.z_q, "tok/z_quantized")
    check(code.tokens, "tok/tokens")
    check(agent.tokenizer.decode_codes(code.z_q), "tok/encode_decode")
    clamped = golden("tok/encode_decode").clamp(0, 1)
    torch.testing.assert_close(
        agent.tokenizer.decode(code.tokens), clamped, rtol=0, atol=2e-4
    )


def test_tokenizer_of_sequences(agent: Agent) -> None:
    sequence = frames("tok/obs_u8").reshape(2, 2, 3, 64, 64)
    code = agent.tokenizer.encode(sequence)
    shapes = META["encode_5d_shapes"]
    assert list(code.z.shape) == shapes["z"]
    assert list(code.z_q.shape) == shapes["z_quantized"]
    assert torch.equal(code.tokens, golden("tok/tokens").reshape(shapes["tokens"]))
    assert agent.tokenizer.reconstruct(sequence).shape == sequence.shape


def test_straight_through_changes_nothing_forward(agent: Agent) -> None:
    code = agent.tokenizer.encode(frames("tok/obs_u8"))
    through = code.z + (code.z_q - code.z).detach()
    decode = agent.tokenizer.decode_codes
    difference = (decode(through) - decode(code.z_q)).abs().max()
    assert golden("tok/forward_reconstructions_minus_decode_maxabs") < 1e-4
    assert difference < 1e-4


def test_tokenizer_loss(agent: Agent) -> None:
    losses = agent.tokenizer.loss(frames("tok/obs_u8"))
    terms = losses.terms
    check(terms["codebook"] + terms["commitment"], "tok/loss_commitment")
    check(terms["l1"], "tok/loss_reconstruction")
    check(losses.total, "tok/loss_total_no_lpips")
    losses.total.backward()
    grads = gradients(agent.tokenizer, "tokenizer")
    check(grads["embedding.weight"], "tok/grad_embedding")
    check(grads["pre_quant_conv.bias"], "tok/grad_pre_quant_conv_bias")
    check(norms(grads, META["tok_grad_names"]), "tok/grad_norms")


# --- world model


def check_logits(output: WorldModelOutput, name: str, ends: bool = True) -> None:
    check(output.observations, f"wm/{name}logits_observations")
    check(output.rewards, f"wm/{name}logits_rewards")
    if ends:
        check(output.ends, f"wm/{name}logits_ends")


def chunk_by_chunk(model: BaseWorldModel, tokens: Tensor, sizes: list[int]) -> list:
    cache = model.new_cache(len(tokens))
    return [model(chunk, cache) for chunk in tokens.split(sizes, dim=1)]


def joined(outputs: list[WorldModelOutput]) -> WorldModelOutput:
    return WorldModelOutput(
        torch.cat([o.observations for o in outputs], dim=1),
        torch.cat([o.rewards for o in outputs], dim=1),
        torch.cat([o.ends for o in outputs], dim=1),
    )


def logit_counts(outputs: list[WorldModelOutput]) -> list[list[int]]:
    return [
        [o.observations.shape[1], o.rewards.shape[1], o.ends.shape[1]] for o in outputs
    ]


# In evaluation the fused attention runs, with gradients on a CPU the written-out one.
@pytest.mark.parametrize("grad", [True, False], ids=["training", "inference"])
def test_world_model(agent: Agent, grad: bool) -> None:
    seen: list[Tensor] = []
    agent.world_model.transformer.register_forward_hook(lambda *x: seen.append(x[-1]))
    tokens = golden("wm/tokens")
    with torch.set_grad_enabled(grad):
        check_logits(agent.world_model(tokens), "")
        check(seen[0], "wm/output_sequence")
        check_logits(agent.world_model(tokens[:, :33]), "partial33_", ends=False)


@torch.no_grad()
def test_world_model_token_by_token(agent: Agent) -> None:
    tokens = golden("wm/tokens")
    sizes = [16] + [1] * (tokens.shape[1] - 16)
    outputs = chunk_by_chunk(agent.world_model, tokens, sizes)
    check_logits(joined(outputs), "kv_")
    counts = next(v for k, v in META.items() if k.startswith("kv_logit_counts"))
    assert logit_counts(outputs) == counts


@torch.no_grad()
def test_world_model_chunk_by_chunk(agent: Agent) -> None:
    outputs = chunk_by_chunk(agent.world_model, golden("wm/tokens"), META["kv_chunks"])
    check_logits(joined(outputs), "")
    assert logit_counts(outputs) == META["kv_chunk_logit_counts"]


@pytest.mark.parametrize("grad", [True, False], ids=["training", "inference"])
def test_block_causal_world_model(grad: bool) -> None:
    config = read_config(torch.load(AGENT, weights_only=True))
    config.world_model.attention = "block_causal"
    model = load_published(AGENT, config=config).world_model.to(DEVICE)
    with torch.set_grad_enabled(grad):
        check_logits(model(golden("wm/tokens")), "block_causal_", ends=False)


def world_model_batch() -> Batch:
    return Batch(
        golden("wml/obs_u8"),
        golden("wml/actions"),
        golden("wml/rewards"),
        golden("wml/ends").bool(),
        golden("wml/mask_padding"),
    )


def test_world_model_loss(agent: Agent) -> None:
    batch = world_model_batch()
    tokens = agent.tokenizer.encode(batch.frames).tokens
    check(tokens, "wml/obs_tokens")
    labels = agent.world_model.labels(tokens, batch)
    check(labels.observations, "wml/labels_observations")
    check(labels.rewards, "wml/labels_rewards")
    check(labels.ends, "wml/labels_ends")
    losses = agent.world_model.loss(tokens, batch)
    check(losses.terms["observations"], "wml/loss_obs")
    check(losses.terms["rewards"], "wml/loss_rewards")
    check(losses.terms["ends"], "wml/loss_ends")
    check(losses.total, "wml/loss_total")


def test_world_model_gradients(agent: Agent) -> None:
    """In double precision: one ReLU of this batch sits at 2e-7, and in single precision
    the order of additions decides whether it is open."""
    model = agent.world_model.double()
    model.loss(golden("wml/obs_tokens"), world_model_batch()).total.backward()
    grads = gradients(agent.world_model, "world_model")
    check(grads["pos_emb.weight"], "wml/grad_pos_emb")
    check(grads["embedder.embedding_tables.0.weight"], "wml/grad_act_embedding")
    check(norms(grads, META["wm_grad_names"]), "wml/grad_norms")


# --- actor-critic


@pytest.mark.parametrize("name", list(META["lambda_params"]))
def test_lambda_returns(name: str) -> None:
    gamma, lam = META["lambda_params"][name]
    columns = slice(0, 1 if name == "T1" else None)
    rewards, values, ends = (
        golden(f"lam/{x}")[:, columns] for x in ("rewards", "values", "ends")
    )
    ours = lambda_returns(rewards, values, ends, gamma, lam)
    check(ours, f"lam/returns_{name}")


@pytest.mark.parametrize("start", ["burn", "zero"])
def test_actor_critic(agent: Agent, start: str) -> None:
    policy, x = agent.actor_critic, frames("ac/obs_u8")
    state = policy.new_state(len(x))
    if start == "burn":
        state = policy.burn_in(x[:, :4], golden("ac/burnin_mask"))
    check(state[0], f"ac/{start}_hx_after_burnin")
    check(state[1], f"ac/{start}_cx_after_burnin")
    logits, values = [], []
    for t in range(4, 10):
        step_logits, step_values, state = policy(x[:, t], state)
        logits.append(step_logits)
        values.append(step_values[:, None])
    check(torch.stack(logits, dim=1), f"ac/{start}_logits")
    check(torch.stack(values, dim=1), f"ac/{start}_values")
    check(state[0], f"ac/{start}_hx")
    check(state[1], f"ac/{start}_cx")


@torch.no_grad()
def test_masked_rows_keep_their_state(agent: Agent) -> None:
    mask = torch.tensor([[True], [False], [True], [False]], device=DEVICE)
    state = agent.actor_critic.burn_in(frames("ac/obs_u8")[:, 4:5], mask)
    logits, values = agent.actor_critic.heads(state)
    check(logits[:, None], "ac/masked_call_logits")
    check(values[:, None, None], "ac/masked_call_values")


def test_gradient_through_time(agent: Agent) -> None:
    policy, x = agent.actor_critic, frames("ac/obs_u8")
    state = policy.burn_in(x[:, :4], golden("ac/burnin_mask"))
    total = torch.zeros((), device=DEVICE)
    for t in range(4, 10):
        logits, values, state = policy(x[:, t], state)
        total = total + values.pow(2).mean() + F.log_softmax(logits, -1)[:, 0].mean()
    check(total, "ac/bptt_scalar")
    total.backward()
    grads = gradients(policy, "actor_critic")
    check(grads["conv1.weight"], "ac/bptt_grad_conv1")
    check(grads["lstm.bias_hh"], "ac/bptt_grad_bias_hh")
    check(norms(grads, META["ac_grad_names"]), "ac/bptt_grad_norms")


def test_actor_critic_loss(agent: Agent) -> None:
    logits = golden("acl/logits").requires_grad_()
    values = golden("acl/values").requires_grad_()
    rollout = Rollout(
        frames=torch.empty(0),
        actions=golden("acl/actions"),
        logits=logits,
        values=values,
        rewards=golden("acl/rewards"),
        ends=golden("acl/ends"),
        bootstrap=values.detach(),
        lstm_state=agent.actor_critic.new_state(4),
        burn_in=(torch.empty(0), torch.empty(0)),
    )
    losses = agent.actor_critic.loss(rollout)
    check(losses.terms["policy"], "acl/loss_actions")
    check(losses.terms["value"], "acl/loss_values")
    check(losses.terms["entropy"], "acl/loss_entropy")
    check(losses.total, "acl/loss_total")
    losses.total.backward()
    assert logits.grad is not None and values.grad is not None
    check(logits.grad, "acl/grad_logits")
    check(values.grad, "acl/grad_values")


def test_act(agent: Agent) -> None:
    x = frames("act/obs_u8")
    state = agent.new_state(len(x))
    actions, _ = agent.act(x, state, sample=greedy)
    check(actions, "act/actions_argmax")
    with torch.no_grad():
        logits, _, _ = agent.actor_critic(agent.tokenizer.reconstruct(x), state)
    check(logits, "act/logits")


# --- dreams


@pytest.mark.parametrize("recorded", [False, pytest.param(True, marks=CUDA)])
def test_imagination(agent: Agent, recorded: bool) -> None:
    pixels, mask = golden("imag/obs_u8"), golden("imag/mask_padding")
    zeros = torch.zeros(mask.shape, device=DEVICE)
    batch = Batch(pixels, zeros.long(), zeros, zeros.bool(), mask)
    dream = GraphedWorldModelEnv(agent, greedy) if recorded else None
    rollout = imagine(agent, batch, META["imag_horizon"], greedy, dream=dream)
    ours = rollout.frames.mul(255).round()
    assert (ours - golden("imag/out_observations")).abs().max() <= 1
    check(rollout.actions, "imag/out_actions")
    check(rollout.logits, "imag/out_logits_actions")
    check(rollout.values, "imag/out_values")
    check(rollout.rewards, "imag/out_rewards")
    check(rollout.ends, "imag/out_ends")


def test_dream(agent: Agent) -> None:
    dream = WorldModelEnv(agent.tokenizer, agent.world_model, sample=greedy)
    first = dream.reset(frames("dream/obs_u8"))
    check(dream.tokens, "dream/reset_tokens")
    check(first[0], "dream/reset_obs0")
    tokens, rewards, ends, sizes = [], [], [], []
    for actions in golden("dream/actions"):
        shown, reward, end, _ = dream.step(actions)
        tokens.append(dream.tokens)
        rewards.append(reward)
        ends.append(end)
        sizes.append(dream.cache.size + 1)  # our last token waits for the next action
    check(torch.stack(tokens), "dream/tokens")
    check(torch.stack(rewards), "dream/rewards")
    check(torch.stack(ends), "dream/dones")
    check(torch.tensor(sizes, device=DEVICE), "dream/kv_size_after_step")
    check(shown[0], "dream/last_obs0")
