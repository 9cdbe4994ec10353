"""A trained U-Net as a restorer: it predicts the multiples, the noise or the missing traces of whole gathers."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional

from seisdiff.networks.inputs import network_inputs, seen
from seisdiff.pretrained import find_model
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.radon import RadonRestorer, RadonSpec, Task


class UnetSpec(BaseModel):
    """Options of the U-Net restorer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(default=None, description="name of a shipped model, or a folder; by default the task's")
    precision: Literal["auto", "bf16", "float32"] = Field(
        default="auto", description="auto: bf16 where the processor has it"
    )
    batch_samples: int = Field(
        default=2**19, ge=2**12, le=2**28, description="traces times samples that the network sees at once"
    )


class UnetRestorer:
    """U-Net demultiple, denoise and interpolate.

    `ref_offset_m` is the largest offset of the survey, by which offsets are divided. Traces are shown to the network in
    order of signed offset. `protect_ms` keeps what has less moveout than that at `ref_offset_m`: multiples that were
    predicted go through a Radon transform, and only what lies beyond is subtracted.
    """

    def __init__(self, task: Task, spec: UnetSpec, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        self.task: Task = task
        self.spec = spec
        self.ref_offset = float(ref_offset_m) if ref_offset_m > 0 else 1.0
        from seisdiff.networks.models import load_unet  # diffusers takes a second to import

        self.dtype = _precision(spec.precision)
        network = load_unet(find_model(spec.model or f"{task}-unet"), task)
        self.network = network if self.dtype == torch.float32 else copy.deepcopy(network).bfloat16()
        self.protect = None if protect_ms <= 0 else _radon(ref_offset_m, protect_ms)

    def restore(self, batch: Batch) -> Restored:
        """Return the input less the predicted multiples or noise; or the live traces, and the others as predicted."""
        recorded = batch.data * batch.live[..., None]
        predicted = torch.zeros_like(recorded)
        wide = recorded.shape[1] * recorded.shape[2]
        for part in torch.arange(len(recorded)).split(max(1, self.spec.batch_samples // max(wide, 1))):
            predicted[part] = self._predicted(recorded[part], batch.live[part], batch.offset[part])
        if self.task == "interpolate":
            return Restored(torch.where(batch.live[..., None], recorded, predicted))
        change = predicted * (seen(recorded) & batch.live[..., None])
        if self.protect is not None:
            change = change - self.protect.restore(replace(batch, data=change, start=None)).signal
        return Restored(recorded - change)

    @torch.inference_mode()
    def _predicted(self, data: torch.Tensor, live: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        valid = _inside(live, offset)
        order = torch.where(valid, offset, torch.inf).argsort(dim=1, stable=True)
        wide = order[..., None].expand_as(data)
        shown, level = network_inputs(
            data.gather(1, wide), live.gather(1, order), offset.gather(1, order), self.ref_offset
        )
        rows, columns = (-size % step for size, step in zip(data.shape[1:], self.network.multiple, strict=True))
        shown = functional.pad(shown, (0, columns, 0, rows)).to(self.dtype, memory_format=torch.channels_last)
        there = functional.pad(valid.gather(1, order), (0, rows))
        out = self.network(shown, None if bool(there.all()) else there)[:, 0]
        out = out[:, : data.shape[1], : data.shape[2]].to(data.dtype) * level
        return torch.zeros_like(data).scatter_(1, wide, out)


def _inside(live: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Return bool (gather, trace): all traces up to the last that is live or has an offset; the rest is padding."""
    known = live | (offset != 0)
    return known.flip(1).to(torch.int8).cummax(dim=1).values.flip(1) > 0


def _precision(name: str) -> torch.dtype:
    if name == "auto":
        fast = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def _radon(ref_offset_m: float, protect_ms: float) -> RadonRestorer:
    """Return a Radon transform that keeps what has at most the protected moveout."""
    return RadonRestorer("demultiple", RadonSpec(cut_ms=protect_ms, taper_ms=20.0), ref_offset_m, protect_ms)
