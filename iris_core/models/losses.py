"""What every component's loss returns."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Losses:
    """Named terms of a loss, already weighted, and metrics that are not trained on.

    terms: scalars that add up to the loss. metrics: detached scalars to log.
    """

    terms: dict[str, Tensor]
    metrics: dict[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """Scalar: what is minimised."""
        return sum(self.terms.values())  # type: ignore[return-value]

    def detached(self) -> dict[str, Tensor]:
        """Every term, metric and the total, without their graph (no host sync)."""
        named = {**self.terms, **self.metrics, "loss": self.total}
        return {name: value.detach() for name, value in named.items()}
