"""Missing traces: random, regular, in blocks, at the ends."""

from __future__ import annotations

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.recipe import GapSpec

KINDS = ("none", "random", "regular", "block", "near", "edges")


def draw_gaps(draws: Draws, spec: GapSpec, traces: int) -> torch.Tensor:
    """Return bool (scene, trace): false where a trace is missing; at least two traces are left.

    Random gaps take the asked share of the traces, regular ones keep every second, third or fourth; a block, a gap at
    the near end and gaps at both ends are `spec.block` traces long, at most half of the spread.
    """
    kind = draws.choice("gap", spec.kinds, KINDS)[:, None]
    number = torch.arange(traces, device=draws.device)
    order = draws.uniform("gap.order", traces).argsort(dim=1).argsort(dim=1)
    missing = draws.uniform("gap.missing", 1, low=spec.missing[0], high=spec.missing[1])
    step = 2 + (3 * draws.uniform("gap.step", 1)).floor()
    length = spec.block[0] + (draws.uniform("gap.length", 2) * (spec.block[1] - spec.block[0] + 1)).floor()
    length = length.clamp_max(max(traces // 2, 1))
    start = (draws.uniform("gap.start", 1) * (traces - length[:, :1] - 1)).floor() + 1
    ends = (number < length[:, :1] / 2) | (number >= traces - length[:, 1:] / 2)
    masks = (
        torch.zeros_like(order, dtype=torch.bool),
        order < (missing * traces).round(),
        (number - (draws.uniform("gap.phase", 1) * step).floor()) % step != 0,
        (number >= start) & (number < start + length[:, :1]),
        (number < length[:, :1]).expand_as(order),
        ends,
    )
    gone = torch.zeros_like(masks[0])
    for value, mask in enumerate(masks):
        gone = torch.where(kind == value, mask, gone)
    return ~gone | (order >= traces - 2)
