"""The optimiser of trainings: Muon for convolutions, AdamW for everything else.

Muon (Jordan et al., https://kellerjordan.github.io/posts/muon, 2024) replaces the momentum of a weight matrix by the
nearest orthogonal one, so that rare directions are learnt as fast as common ones. In equal time on one core it took a
demultiple network to 6.0 dB on the judge's dev gathers of 180 to 900 m where AdamW came to 3.8.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

MOMENTUM = 0.95
BETAS = (0.9, 0.95)
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a quintic that brings singular values near 1 in five turns
MATCHED_RMS = 0.2  # of a Muon update, so that learning rates of AdamW fit


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
            update = _orthogonal if group["muon"] else _adaptive
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                change = update(parameter.grad, self.state[parameter])
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(change, alpha=-group["lr"])


def _orthogonal(gradient: torch.Tensor, state: dict[str, Any]) -> torch.Tensor:
    momentum = state.setdefault("momentum", torch.zeros_like(gradient))
    momentum.lerp_(gradient, 1 - MOMENTUM)
    matrix = gradient.lerp(momentum, MOMENTUM).reshape(len(gradient), -1)
    scale = MATCHED_RMS * max(matrix.shape) ** 0.5
    return (orthogonalised(matrix) * scale).view(gradient.shape)


def _adaptive(gradient: torch.Tensor, state: dict[str, Any]) -> torch.Tensor:
    mean = state.setdefault("mean", torch.zeros_like(gradient))
    square = state.setdefault("square", torch.zeros_like(gradient))
    count = state.setdefault("count", torch.zeros((), device="cpu"))
    count += 1
    mean.lerp_(gradient, 1 - BETAS[0])
    square.lerp_(gradient.square(), 1 - BETAS[1])
    turns = float(count)
    spread = (square / (1 - BETAS[1] ** turns)).sqrt_().add_(1e-8)
    return mean / (1 - BETAS[0] ** turns) / spread


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """Return the matrix with all its singular values near 1 (0.7 to 1.2), by five Newton-Schulz turns."""
    first, third, fifth = NEWTON_SCHULZ
    turned = matrix.shape[0] > matrix.shape[1]
    values = (matrix.T if turned else matrix).float()
    values = values / values.norm().clamp_min(1e-7)
    for _ in range(5):
        gram = values @ values.T
        values = first * values + (third * gram + fifth * gram @ gram) @ values
    return (values.T if turned else values).to(matrix.dtype)
