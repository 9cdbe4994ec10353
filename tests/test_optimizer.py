"""The optimiser: orthogonal updates for kernels, Adam's for the rest."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seisdiff.optimizer import MuonAdamW, orthogonalised


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrix[None])[0])
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3


def test_orthogonalising_keeps_the_directions() -> None:
    matrix = torch.randn(5, 9, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ orthogonalised(matrix[None])[0] @ right.T
    assert torch.allclose(turned, torch.diag(turned.diagonal()), atol=1e-4)


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"enter": nn.Conv2d(1, 4, 3), "middle": nn.Conv2d(4, 4, 3), "leave": nn.Conv2d(4, 1, 3)})


def test_adamw_is_that_of_torch() -> None:
    ours, theirs = small(), small()
    mine = MuonAdamW(ours, 1e-2, 0.1, "adamw")
    other = torch.optim.AdamW(theirs.parameters(), 1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    for turn in range(5):
        for network, optimizer in ((ours, mine), (theirs, other)):
            for number, part in enumerate(network.parameters()):
                part.grad = torch.randn(part.shape, generator=torch.Generator().manual_seed(10 * turn + number))
            optimizer.step()
    for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(left, right, atol=1e-6)


def test_muon_updates_kernels_inside_and_adamw_the_rest() -> None:
    network = small()
    before = [part.detach().clone() for part in network.parameters()]
    optimizer = MuonAdamW(network, 1e-2, 0.0, "muon")
    for part in network.parameters():
        part.grad = torch.randn(part.shape, generator=torch.Generator().manual_seed(3))
    optimizer.step()
    steps = [old - new.detach() for old, new in zip(before, network.parameters(), strict=True)]
    assert float(torch.linalg.matrix_norm(steps[2].reshape(4, -1), 2)) == pytest.approx(1e-2 * 0.2 * 6, rel=0.3)
    for number in (0, 1, 3, 4, 5):
        assert torch.allclose(steps[number].abs(), torch.full_like(steps[number], 1e-2), rtol=1e-3)


def test_kernels_of_one_shape_are_turned_together_and_apart_alike() -> None:
    networks = [nn.ModuleDict({name: nn.Conv2d(4, 6, 3) for name in names}) for names in (("a", "b", "c"), ("b",))]
    gradients = {
        name: torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(n)) for n, name in enumerate("abc")
    }
    for network in networks:
        optimizer = MuonAdamW(network, 1e-2, 0.0, "muon")
        for name, part in network.items():
            nn.init.ones_(part.weight)
            part.weight.grad = gradients[name].clone()
        optimizer.step()
        optimizer.step()
    together, alone = networks
    assert torch.allclose(together["b"].weight, alone["b"].weight, atol=1e-6)
    assert not torch.allclose(together["a"].weight, together["b"].weight, atol=1e-3)
