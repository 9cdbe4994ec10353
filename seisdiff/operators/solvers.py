"""Solvers of the Radon transform: damped least squares and iteratively reweighted sparsity.

All work on band spectra (frequency, trace or moveout, gather) of gathers that share one geometry, and solve in the
smaller of the data space and the model space.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from seisdiff.operators.radon import RadonMatrix

Solve = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

MANY = 8
TURN = 2**16  # places on a circle, of a table of the transform of weights
WORTH_A_TABLE = 100 * TURN  # products that take longer than a table is made


def least_squares(matrix: RadonMatrix, data: torch.Tensor, damping: float) -> torch.Tensor:
    """Return the panel m that minimises |L m - d|^2 + damping |m|^2 at each frequency (Hampson, 1986).

    `data` is (frequency, trace, gather), the result (frequency, moveout, gather). One factorisation serves all gathers.
    """
    side = min(matrix.n_trace, matrix.grid.n_moveout)
    solve = _damped_in_data_space if side == matrix.n_trace else _damped_in_model_space
    return torch.cat([solve(matrix, part, block, data[part], damping) for part, block in matrix.blocks(4 * side**2)])


def sparse(
    matrix: RadonMatrix,
    data: torch.Tensor,
    damping: float,
    weights: Callable[[torch.Tensor], torch.Tensor],
    reweightings: int = 2,
    stride: int = 1,
) -> torch.Tensor:
    """Return the sparse panel of iteratively reweighted least squares (Sacchi and Ulrych, 1995).

    Each solve minimises |L m - d|^2 + damping |m|^2 / w. `weights` maps a panel (frequency, moveout, gather) to w,
    the variance expected of each moveout, of the same shape or with one frequency for all. All but the last weights
    come from every `stride`-th frequency; a stride above one needs weights shared by all frequencies.
    """
    thin = matrix if stride == 1 else matrix.every(stride)
    panel = least_squares(thin, data[::stride], damping)
    for _ in range(reweightings - 1):
        panel = weighted_least_squares(thin, data[::stride], damping, weights(panel))
    return weighted_least_squares(matrix, data, damping, weights(panel)) if reweightings else panel


def weighted_least_squares(
    matrix: RadonMatrix, data: torch.Tensor, damping: float, weights: torch.Tensor
) -> torch.Tensor:
    """Return the panel that minimises |L m - d|^2 + damping |m|^2 / weights; each gather has its own weights.

    In single precision, weights that all frequencies share come with an error of some 1e-4 of the panel.
    """
    side = min(matrix.n_trace, matrix.grid.n_moveout)
    products = len(data) * side**2 * matrix.grid.n_moveout
    read = len(weights) == 1 and side == matrix.n_trace and data.dtype == torch.complex64 and products > WORTH_A_TABLE
    solve = _shared_in_data_space if read else _each_for_itself
    panel = data.new_empty(len(data), matrix.grid.n_moveout, data.shape[-1])
    for part, block in matrix.blocks(matrix.n_trace * matrix.grid.n_moveout + 6 * side**2):
        panel[part] = solve(matrix, part, block, data[part], damping, weights if len(weights) == 1 else weights[part])
    return panel


def _each_for_itself(
    matrix: RadonMatrix, part: slice, block: torch.Tensor, data: torch.Tensor, damping: float, weights: torch.Tensor
) -> torch.Tensor:
    """Return the panel of weights (frequency or 1, moveout, gather)."""
    root = weights.sqrt().to(data.dtype)
    scaled = ((block * root[:, None, :, gather], data[..., gather, None]) for gather in range(data.shape[-1]))
    return root * torch.cat([_weighted(*one, damping) for one in scaled], dim=-1)


def _shared_in_data_space(
    matrix: RadonMatrix, part: slice, block: torch.Tensor, data: torch.Tensor, damping: float, weights: torch.Tensor
) -> torch.Tensor:
    """Solve m = W L^H (L W L^H + damping)^-1 d with weights (1, moveout, gather) that all frequencies share.

    With equal moveout steps dq, L W L^H = P K P^H, where P is the phase of the first moveout and K, the Fourier
    transform of the weights at w dq (phi(x) - phi(y)), is read from a table: no products of matrices, which would cost
    most.
    """
    grid, angular = matrix.grid, matrix.angular(part)
    angle = angular[:, None] * matrix.curve
    phase = torch.polar(torch.ones_like(angle), -grid.first_moveout * angle).to(data.dtype)[..., None]
    lags, rotated, solved = _lags(grid.moveout_step * angle), phase.conj() * data, torch.empty_like(data)
    for gather in range(data.shape[-1]):
        kernel = _read(weights[0, :, gather].to(data.real.dtype), *lags)
        kernel.diagonal(dim1=1, dim2=2).add_(damping)
        solved[..., gather] = _solve(kernel, rotated[..., gather, None])[..., 0]
    return block.mH @ (phase * solved) * weights


def _lags(angle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where differences of angles (frequency, trace) lie on a circle of TURN places, and how far past there.

    Both are (frequency, trace, trace): a whole number from 0, and a part of the way to the next, in single precision.
    """
    place = (angle[:, :, None] - angle[:, None, :]) * (TURN / (2 * math.pi))
    before = torch.floor(place)
    return before.long() % TURN, (place - before).float()


def _read(weights: torch.Tensor, index: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return the Fourier transform of weights (moveout) between places of a circle, of the shape of those.

    It is linear between TURN places: the error is below (pi moveouts / TURN)^2 / 2 of the sum of the weights.
    """
    table = torch.view_as_real(torch.fft.fft(weights, n=TURN))
    both = torch.cat([table, table.roll(-1, 0) - table], dim=1)
    here, rise = both.index_select(0, index.flatten()).split(2, dim=1)
    values = torch.addcmul(here, rise, share.view(-1, 1))
    return torch.view_as_complex(values).view(index.shape)


def weighted_rows(
    matrix: torch.Tensor, data: torch.Tensor, damping: torch.Tensor, weights: torch.Tensor, memory: int
) -> torch.Tensor:
    """Return the panel that minimises |L m - d|^2 + damping |m|^2 / weights, each row with a matrix of its own.

    `matrix` is (row, trace, moveout), `data` (row, trace), `damping` (row), `weights` and the result (row, moveout).
    Traces whose row of the matrix is zero change nothing, and moveouts of no weight get nothing. `memory` (bytes)
    bounds what is worked on at once.
    """
    root = weights.sqrt()
    size = max(1, memory // working_row(matrix.shape[1], matrix.shape[2], matrix.itemsize))
    parts = zip(*(each.split(size) for each in (matrix, root, data, damping)), strict=True)
    solved = [_weighted(m * r[:, None], d[..., None], a[:, None], _solve_unchecked)[..., 0] for m, r, d, a in parts]
    return root * torch.cat(solved)


def working_row(n_trace: int, n_moveout: int, itemsize: int) -> int:
    """Return the bytes that `weighted_rows` needs for a row, its matrix included."""
    return 3 * itemsize * (n_trace * n_moveout + min(n_trace, n_moveout) ** 2)


def _weighted(
    scaled: torch.Tensor, data: torch.Tensor, damping: float | torch.Tensor, solve: Solve | None = None
) -> torch.Tensor:
    """Solve min |S z - d|^2 + damping |z|^2 in the smaller space; S is (frequency, trace, moveout)."""
    solve = solve or _solve
    in_data_space = scaled.shape[1] <= scaled.shape[2]
    normal = scaled @ scaled.mH if in_data_space else scaled.mH @ scaled
    normal.diagonal(dim1=1, dim2=2).add_(damping)
    return scaled.mH @ solve(normal, data) if in_data_space else solve(normal, scaled.mH @ data)


def _solve_unchecked(normal: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve damped normal equations without a word from the device; what has no factor gives zero."""
    factor, failed = torch.linalg.cholesky_ex(normal)
    half = torch.linalg.solve_triangular(factor, right, upper=False)
    solved = torch.linalg.solve_triangular(factor.mH, half, upper=True)
    return torch.where(failed[:, None, None] == 0, solved, 0)


def _factored(normal: torch.Tensor) -> torch.Tensor:
    """Return Cholesky factors, of some with more damping where they have none as they are.

    Those are of phases too large for their precision, at offsets far beyond the reference.
    """
    factor, failed = torch.linalg.cholesky_ex(normal)
    if not bool(failed.any()):
        return factor
    mean = normal.diagonal(dim1=1, dim2=2).real.mean(dim=1)
    for share in (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0):
        lift = (share * mean * (failed > 0))[:, None].expand(normal.shape[:2])
        factor, still = torch.linalg.cholesky_ex(normal + torch.diag_embed(lift).to(normal.dtype))
        if not bool(still.any()):
            return factor
    return torch.linalg.cholesky(normal)  # says what is wrong


def _solve(normal: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve damped normal equations; many right-hand sides go faster through the inverse, one product for all."""
    factor = _factored(normal)
    if right.shape[-1] < MANY:
        return torch.cholesky_solve(right, factor)
    return torch.cholesky_inverse(factor) @ right


def cauchy_weights(floor: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the weights |m|^2 + floor, each frequency for itself (Sacchi and Ulrych, 1995, equation 12)."""
    return lambda panel: panel.abs().square() + floor


def shared_weights(floor: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return weights that all frequencies share: a gather's energy at each moveout plus `floor` times the largest.

    Their mean is one, so that they follow neither the gather's amplitude nor its number of events. Sharing them keeps
    the low frequencies, which resolve, in charge of the high ones, which alias.
    """

    def weights(panel: torch.Tensor) -> torch.Tensor:
        return relative_weights(panel.abs().square().sum(dim=0, keepdim=True), floor)

    return weights


def relative_weights(energy: torch.Tensor, floor: float, present: torch.Tensor | None = None) -> torch.Tensor:
    """Return energies over that of the largest moveout, plus `floor`, made to have a mean of one over moveouts.

    `energy` is (frequency or gather, moveout, ...). Only moveouts where `present` is one count; where it is zero,
    weights are zero.
    """
    largest = energy.amax(dim=1, keepdim=True).clamp_min(torch.finfo(energy.dtype).tiny)
    relative = energy / largest + floor
    if present is None:
        return relative / relative.mean(dim=1, keepdim=True)
    relative = relative * present
    return relative * (present.sum(dim=1, keepdim=True) / relative.sum(dim=1, keepdim=True))


def _damped_in_data_space(
    matrix: RadonMatrix, part: slice, block: torch.Tensor, data: torch.Tensor, damping: float
) -> torch.Tensor:
    """Solve m = L^H (L L^H + damping)^-1 d.

    With equal moveout steps, L L^H = P K P^H where P is the phase of the central moveout and K, the Dirichlet kernel
    of the differences of the curve, is real: its Cholesky factor costs a quarter of a complex one.
    """
    grid = matrix.grid
    centre = grid.first_moveout + grid.moveout_step * (grid.n_moveout - 1) / 2
    angle = matrix.angular(part)[:, None] * matrix.curve
    phase = torch.polar(torch.ones_like(angle), -centre * angle).to(data.dtype)[..., None]
    half = (0.5 * grid.moveout_step * angle).to(data.real.dtype)
    kernel = _dirichlet(half[:, :, None] - half[:, None, :], grid.n_moveout)
    kernel.diagonal(dim1=1, dim2=2).add_(damping)
    rotated = torch.view_as_real(phase.conj() * data).flatten(2)
    solution = _solve(kernel, rotated).unflatten(2, (-1, 2)).contiguous()
    return block.mH @ (phase * torch.view_as_complex(solution))


def _dirichlet(half: torch.Tensor, count: int) -> torch.Tensor:
    """Return sin(count x) / sin(x), the sum of `count` phases 2x apart about zero."""
    turns = torch.round(half / math.pi)
    rest = half - math.pi * turns
    small = rest.abs() < torch.finfo(half.dtype).eps
    ratio = torch.where(small, count, torch.sin(count * rest) / torch.sin(torch.where(small, 1, rest)))
    return ratio if count % 2 else torch.where(turns % 2 == 0, ratio, -ratio)


def _damped_in_model_space(
    matrix: RadonMatrix, part: slice, block: torch.Tensor, data: torch.Tensor, damping: float
) -> torch.Tensor:
    """Solve m = (L^H L + damping)^-1 L^H d, where L^H L is Toeplitz: it depends on the difference of two moveouts."""
    count = matrix.grid.n_moveout
    lag = (block[:, :, :1].mH @ block)[:, 0]
    index = torch.arange(count, device=data.device)
    difference = index[None, :] - index[:, None]
    toeplitz = torch.where(difference >= 0, lag[:, difference.abs()], lag[:, difference.abs()].conj())
    toeplitz.diagonal(dim1=1, dim2=2).add_(damping)
    return _solve(toeplitz, block.mH @ data)
