"""Muon for the matrices inside the Transformer, AdamW for all else.

Muon (Jordan et al., 2024) makes a matrix's step orthogonal: every direction of it
learns at the same pace, the rare ones too, such as how a frame depends on the action
before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.optim import AdamW, Muon, Optimizer


class MuonAdamW(Optimizer):
    """Two optimizers in the place of one.

    matrices: (m, n) each, trained by Muon, with the decay of the first group. groups:
    of AdamW; the matrices are removed from them. Muon's steps are as large as AdamW's
    (RMS; Liu et al., 2025), so that one learning rate fits both.
    """

    def __init__(
        self, matrices: Sequence[Tensor], groups: list[dict], fused: bool = False
    ) -> None:
        taken = {id(p) for p in matrices}
        for group in groups:
            group["params"] = [p for p in group["params"] if id(p) not in taken]
        decay = groups[0]["weight_decay"]
        self.muon = Muon(matrices, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        self.adamw = AdamW(groups, fused=fused)
        super().__init__([*self.muon.param_groups, *self.adamw.param_groups], {})

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Both take a step, with the groups and the state that are here."""
        groups = self.param_groups
        for part, own in ((self.muon, groups[:1]), (self.adamw, groups[1:])):
            part.param_groups, part.state = own, self.state
            part.step()
