"""The tokenizer: shapes, nearest codes, and where its gradients go."""

import pytest
import torch
from networks import PATCH, VQGAN, new_tokenizer
from torch import Tensor

from iris_core.config import load_config
from iris_core.models import vqgan
from iris_core.models.tokenizer import Tokenizer


@pytest.mark.parametrize("overrides", [PATCH, VQGAN], ids=["patch", "vqgan"])
@pytest.mark.parametrize("lead", [(2,), (2, 3), ()], ids=str)
@pytest.mark.parametrize("levels", [5, 4])
def test_tokenizer_shapes(overrides, lead, levels):
    tokenizer = new_tokenizer(*overrides, f"tokenizer.levels={levels}").eval()
    frames = torch.rand(*lead, 3, 64, 64)
    grid = {5: 4, 4: 8}[levels]
    with torch.no_grad():
        code = tokenizer.encode(frames)
        decoded = tokenizer.decode(code.tokens)
    dim = tokenizer.config.embed_dim
    assert tokenizer.tokens_per_frame == grid * grid
    assert code.z.shape == code.z_q.shape == (*lead, dim, grid, grid)
    assert code.tokens.shape == (*lead, grid * grid)
    assert code.tokens.dtype == torch.int64
    assert decoded.shape == frames.shape
    assert decoded.min() >= 0 and decoded.max() <= 1
    with torch.no_grad():
        assert torch.equal(tokenizer.reconstruct(frames), decoded)


def test_frames_in_groups_are_encoded_as_in_one_batch():
    """Few at a time where nothing learns; what is trained passes as one batch."""
    config = load_config("paper", ["tokenizer.channels=32"]).tokenizer
    tokenizer, passed = Tokenizer(config).eval(), []
    tokenizer.encoder.conv_in.register_forward_hook(
        lambda module, given, made: passed.append(len(given[0]))
    )
    frames = torch.rand(2 * vqgan.GROUP + 3, 3, 64, 64)
    tokens = torch.randint(512, (len(frames), 16))
    with torch.no_grad():
        few, seen = tokenizer.latents(frames), tokenizer.decode(tokens)
    assert passed == [vqgan.GROUP, vqgan.GROUP, 3]
    passed.clear()
    assert torch.allclose(few, tokenizer.latents(frames), atol=1e-5)
    assert passed == [len(frames)]
    assert torch.allclose(seen, tokenizer.decode(tokens), atol=1e-5)


@pytest.mark.parametrize("overrides", [PATCH, VQGAN], ids=["patch", "vqgan"])
def test_tokens_are_the_nearest_codes(overrides):
    tokenizer = new_tokenizer(*overrides).eval()
    with torch.no_grad():
        code = tokenizer.encode(torch.rand(2, 3, 64, 64))
        z = code.z.flatten(2).mT.reshape(-1, 1, tokenizer.config.embed_dim)
        distances = (z - tokenizer.embedding.weight).pow(2).sum(-1)  # (N, vocab)
    assert torch.equal(distances.argmin(1), code.tokens.flatten())
    z_q = code.z_q.flatten(2).mT  # (N, K, d)
    assert torch.equal(z_q, tokenizer.embedding(code.tokens))


def test_decode_stays_in_range():
    tokenizer = new_tokenizer(*PATCH)
    with torch.no_grad():
        tokenizer.embedding.weight.mul_(1e6)
    decoded = tokenizer.decode(torch.randint(32, (3, 16)))
    assert decoded.min() == 0 and decoded.max() == 1


@pytest.mark.parametrize("overrides", [PATCH, VQGAN], ids=["patch", "vqgan"])
def test_the_gradient_passes_straight_through(overrides):
    """The encoder's output gets the gradient of the decoder's input."""
    loss = ["tokenizer.loss.codebook=0", "tokenizer.loss.commitment=0"]
    tokenizer = new_tokenizer(*overrides, *loss)
    seen: dict[str, Tensor] = {}

    def keep_output(_, inputs, output):
        output.retain_grad()
        seen["z"] = output

    def keep_input(_, inputs, output):
        inputs[0].retain_grad()
        seen["decoder input"] = inputs[0]

    tokenizer.pre_quant_conv.register_forward_hook(keep_output)
    tokenizer.post_quant_conv.register_forward_hook(keep_input)
    tokenizer.loss(torch.rand(2, 3, 64, 64)).total.backward()
    assert seen["z"].grad.abs().max() > 0
    assert torch.equal(seen["z"].grad, seen["decoder input"].grad)
    assert all(p.grad.abs().max() > 0 for p in tokenizer.encoder.parameters())
    assert tokenizer.embedding.weight.grad.abs().max() == 0  # codes: codebook term only


def test_codebook_and_commitment_pull_apart():
    """One moves codes alone, the other the encoder alone."""
    off = [f"tokenizer.loss.{n}=0" for n in ("l1", "l2", "worst_pixel")]
    for name, moved, still in (
        ("commitment", "embedding", "encoder"),
        ("codebook", "encoder", "embedding"),
    ):
        tokenizer = new_tokenizer(*PATCH, *off, f"tokenizer.loss.{name}=0")
        tokenizer.loss(torch.rand(2, 3, 64, 64)).total.backward()

        def largest(part: str, tokenizer: Tokenizer = tokenizer) -> float:
            parameters = getattr(tokenizer, part).parameters()
            return max(p.grad.abs().max().item() for p in parameters)

        assert largest(moved) > 0 and largest(still) == 0
