"""Loading trained networks from model directories, without network access and without pickles."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import functional

from seisdiff.errors import OptionError
from seisdiff.networks.unet import UNet, UNetSpec
from seisdiff.pretrained import CARD, WEIGHTS, model_card


def grown(network: UNet, spec: UNetSpec) -> UNet | None:
    """Return a network of shape `spec` that answers as `network` does; None where it has another shape.

    It may have more input channels, which weigh nothing, more output channels, which are zero, longer convolutions at
    the bottom, whose ends are zero, and take a noise level, which says nothing.
    """
    more = {"in_channels", "out_channels", "noise_level", "deep_kernel"}
    if network.spec.model_dump(exclude=more) != spec.model_dump(exclude=more):
        return None
    made, weights = UNet(spec), network.state_dict()
    for name in ("enter.weight", "leave.weight", "leave.bias"):
        grows, known = made.get_parameter(name).detach().zero_(), weights.pop(name)
        if any(now < before for now, before in zip(grows.shape, known.shape, strict=True)):
            return None
        grows[tuple(slice(size) for size in known.shape)] = known
    longer = (spec.deep_kernel - network.spec.deep_kernel) // 2
    if longer < 0:
        return None
    for name in weights:
        if name.startswith("bottom.") and weights[name].ndim == 4:
            weights[name] = functional.pad(weights[name], (longer, longer))
    made.load_state_dict(weights, strict=False)
    return made


def load_unet(folder: Path, task: str) -> UNet:
    """Return the network of a model directory in float32; raises OptionError if it is another task's or damaged.

    It is kept, and read again only once the files have changed.
    """
    try:
        states = [(folder / name).stat() for name in (CARD, WEIGHTS)]
    except OSError:
        states = []
    return _loaded(folder, task, tuple((state.st_mtime_ns, state.st_size) for state in states))


@lru_cache(maxsize=4)
def _loaded(folder: Path, task: str, _: tuple[tuple[int, int], ...]) -> UNet:
    card = model_card(folder)
    if card["task"] != task:
        raise OptionError(f"the model in {folder} does {card['task']}; expected one for {task}")
    try:
        network = UNet(UNetSpec.model_validate(card["recipe"]["network"]))
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise OptionError(f"{folder / WEIGHTS} cannot be read: {error}") from None
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        told = str(error).strip().splitlines()[-1].strip()
        raise OptionError(f"{folder} holds weights of another shape than its model.json tells: {told}") from None
    if not all(bool(part.isfinite().all()) for part in network.state_dict().values()):
        raise OptionError(f"{folder / WEIGHTS} holds weights that are not finite")
    return network.float().eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
