"""Background, k-means start, dead codes, and the loss terms for small objects."""

import torch
from networks import PATCH, new_tokenizer
from torch import Tensor


def patchwork(n: int, patches: Tensor) -> Tensor:
    """n frames of 4x4 patches (P, 3, 16, 16) put together at random."""
    chosen = patches[torch.randint(len(patches), (n, 4, 4))]  # (n, 4, 4, 3, 16, 16)
    return chosen.permute(0, 3, 1, 4, 2, 5).reshape(n, 3, 64, 64)


def test_kmeans_start_reconstructs_a_few_patches():
    tokenizer = new_tokenizer(*PATCH, "tokenizer.subtract_background=false")
    frames = patchwork(8, torch.rand(10, 3, 16, 16))
    with torch.no_grad():
        before = (tokenizer.reconstruct(frames) - frames).abs().max()
    tokenizer.start_from(frames)
    with torch.no_grad():
        after = (tokenizer.reconstruct(frames) - frames).abs().max()
    assert before > 0.3 and after < 0.01
    assert len(tokenizer.encode(frames).tokens.unique()) == 10


def test_kmeans_start_of_a_still_game_with_one_moving_patch():
    tokenizer = new_tokenizer(*PATCH)
    background = torch.rand(3, 64, 64)
    frames = background.repeat(16, 1, 1, 1)
    for i in range(16):
        row, column = divmod(i, 4)
        frames[i, :, 16 * row + 5 : 16 * row + 9, 16 * column : 16 * column + 4] = 1
    tokenizer.start_from(frames)
    with torch.no_grad():
        tokens = tokenizer.encode(frames).tokens
        error = (tokenizer.decode(tokens) - frames).abs().max()
    assert error < 0.01
    still = tokenizer.encode(background).tokens
    assert ((tokens != still).sum(1) == 1).all()  # the ball's patch, nothing else


def test_the_background_is_one_repeated_token():
    tokenizer = new_tokenizer(*PATCH)
    frames = torch.rand(3, 64, 64) + 0.3 * torch.randn(6, 3, 64, 64)
    background = frames.clamp_(0, 1).median(dim=0).values
    tokenizer.start_from(frames)
    with torch.no_grad():
        tokens = tokenizer.encode(background).tokens
        assert len(tokenizer.encode(frames).tokens.unique()) > 1
    assert len(tokens.unique()) == 1
    x = tokenizer.scale(frames)
    assert torch.allclose(tokenizer.unscale(x), frames, atol=1e-6)
    assert tokenizer.scale(background).abs().max() == 0


def test_revive_moves_only_dead_codes():
    tokenizer = new_tokenizer(*PATCH)
    frames = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        used = tokenizer.encode(frames).tokens.unique()
        before = tokenizer.embedding.weight.clone()
        error = (tokenizer.vectors(frames) - before[used[0]]).pow(2).sum(1).max()
    moved = tokenizer.revive(frames)
    after = tokenizer.embedding.weight
    changed = (after != before).any(1).nonzero().flatten()
    assert len(used) < 32 and moved == len(changed) == 32 - len(used)
    assert not set(changed.tolist()) & set(used.tolist())
    assert torch.equal(after[used], before[used])
    z = tokenizer.vectors(frames)
    for code in after[changed]:  # each is a vector of these frames
        assert (z == code).all(1).any()
    best = (z[:, None] - after).pow(2).sum(-1).amin(1).max()
    assert best < error


def test_revive_leaves_codes_that_serve_well():
    tokenizer = new_tokenizer(*PATCH)
    frames = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        tokenizer.embedding.weight[:16] = tokenizer.vectors(frames)
    assert tokenizer.revive(frames) == 0


def test_foreground_weighs_what_differs_from_the_background():
    tokenizer = new_tokenizer(*PATCH, "tokenizer.loss.foreground=5")
    background = torch.full((3, 64, 64), 0.4)
    tokenizer.background.copy_(background)
    frame = background.clone()
    frame[1, 10:14, 20:24] += 0.2  # a ball, in one channel
    frame[:, 40, 40] += 0.02  # noise
    weights = tokenizer.pixel_weights(tokenizer.scale(frame[None]))
    expected = torch.ones(1, 1, 64, 64)
    expected[:, :, 10:14, 20:24] = 6
    assert torch.equal(weights, expected)
    plain = new_tokenizer(*PATCH, "tokenizer.loss.foreground=0")
    assert torch.equal(plain.pixel_weights(frame[None]), torch.ones(1))


def test_the_terms_of_the_tokenizers_loss():
    weights = {"l1": 2.0, "l2": 3.0, "worst_pixel": 0.5, "foreground": 0.0}
    overrides = [f"tokenizer.loss.{k}={v}" for k, v in weights.items()]
    tokenizer = new_tokenizer(*PATCH, *overrides, "tokenizer.loss.commitment=0.25")
    frames = torch.rand(3, 3, 64, 64)
    losses = tokenizer.loss(frames)
    code = tokenizer.encode(frames)
    error = 2 * (tokenizer.decode_codes(code.z_q) - frames)
    gap = (code.z - code.z_q).pow(2).mean()
    expected = {
        "codebook": gap,
        "commitment": 0.25 * gap,
        "l1": 2 * error.abs().mean(),
        "l2": 3 * error.pow(2).mean(),
        "worst_pixel": 0.5 * error.pow(2).sum(1).flatten(1).max(1).values.mean(),
    }
    assert losses.terms.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(losses.terms[name], value, atol=1e-5), name
    assert torch.allclose(losses.total, sum(expected.values()), atol=1e-5)
    assert torch.allclose(losses.metrics["mean_error"], error.abs().mean() / 2)
    used = len(code.tokens.unique())
    assert losses.metrics["codes_used"] == used
    assert 1 <= losses.metrics["perplexity"] <= used + 1e-3
