"""The tokenizer that sees a frame as a grid of patches."""

import torch
from networks import PATCH, new_tokenizer


def test_a_frame_is_cut_into_patches_row_by_row():
    tokenizer = new_tokenizer(*PATCH)
    frame = torch.zeros(3, 64, 64)
    frame[:, 16:32, 48:64] = 1  # second row, fourth column
    with torch.no_grad():
        tokens = tokenizer.encode(frame).tokens
    assert (tokens == tokens[0]).tolist() == [i != 7 for i in range(16)]
