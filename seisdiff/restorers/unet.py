"""A trained U-Net as a restorer: it predicts the multiples, the noise or the missing traces of whole gathers."""

from __future__ import annotations

import copy
import itertools
import math
from dataclasses import replace
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional

from seisdiff.errors import OptionError, SurveyError
from seisdiff.networks.inputs import advance, advance_of, network_inputs, seen
from seisdiff.networks.models import load_unet
from seisdiff.networks.oversampling import (
    as_recorded,
    coarser,
    finer,
    finer_times,
    finer_traces,
    surplus,
)
from seisdiff.networks.transfers import settle, to_device, to_host
from seisdiff.networks.unet import UNet
from seisdiff.networks.views import Views, answer_in_passes, views_of
from seisdiff.pretrained import find_model, model_card
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.first import FirstGuess, FirstSpec
from seisdiff.restorers.radon import RadonRestorer, RadonSpec, Task

MARGIN, FADE = 96, 32  # traces at a window's edge that are left to its neighbour, and over which one fades in
OVERLAP = 2 * MARGIN + FADE


class UnetSpec(BaseModel):
    """Options of the U-Net restorer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(default=None, description="name of a shipped model, or a folder; by default the task's")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: a GPU where there is one")
    precision: Literal["auto", "bf16", "float32"] = Field(
        default="auto", description="auto: bf16 where the processor has it"
    )
    passes: int | None = Field(
        default=None,
        ge=1,
        le=8,
        description="times that it is applied, to its own result; by default those of its recipe",
    )
    views: Views | None = Field(
        default=None,
        description="samples that its last pass is shown for each recorded one (1, 1.25, 1.5, 2), with a minus of the "
        "gather with its sign turned; the mean of all answers is taken; by default those of its recipe",
    )
    batch_samples: int | None = Field(
        default=None,
        ge=2**12,
        le=2**30,
        description="traces times samples that the network sees at once; by default 2**19, on a GPU 2**22",
    )


class UnetRestorer:
    """U-Net demultiple, denoise and interpolate.

    `ref_offset_m` is the largest offset of the survey, by which offsets are divided. Traces are shown to the network in
    order of signed offset, for demultiple of the absolute one; a gather of more than `batch_samples` in windows of
    traces that fade into each other, and fewer at once where memory runs out. `protect_ms` keeps what has less moveout
    than that at `ref_offset_m`: multiples that were predicted go through a Radon transform, and only what lies beyond
    is subtracted.
    """

    kind = "unet"
    outputs = 1  # of what is made of the network's

    def __init__(self, task: Task, spec: UnetSpec, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        self.task: Task = task
        self.spec = spec
        self.ref_offset = float(ref_offset_m) if ref_offset_m > 0 else 1.0
        self.device = torch.device(_device(spec.device))
        self.dtype = _precision(spec.precision, self.device)
        folder = find_model(spec.model or f"{task}-{self.kind}")
        network = load_unet(folder, task)
        kind = "diffusion" if network.spec.noise_level else "unet"
        if kind != self.kind:
            raise OptionError(
                f"the model in {folder} is one of the method {kind}: add --method {kind}, or name another"
            )
        recipe = model_card(folder)["recipe"]
        first = recipe.get("first")
        self.first = FirstGuess(task, FirstSpec.model_validate(first) if first else None, self.ref_offset)
        self.reduction = float(recipe.get("reduction_m_s", 0.0))
        self.level_traces = float(recipe.get("level_traces", 0.0))
        self.passes = views_of(recipe, spec.passes, spec.views)
        network = copy.deepcopy(network).to(self.device)
        self.network = network.bfloat16() if self.dtype == torch.bfloat16 else network
        self.at_once = spec.batch_samples or (2**22 if self.device.type == "cuda" else 2**19)
        self.protect = None if protect_ms <= 0 else _radon(ref_offset_m, protect_ms)

    def restore(self, batch: Batch) -> Restored:
        """Return the input less the predicted multiples or noise; or the live traces, and the others as predicted.

        A gather that is sampled more finely than its signal needs is restored at coarser samples. What they do not hold
        stays in a gather to demultiple, and is noise in one to denoise.
        """
        batch = replace(batch, data=batch.data * batch.live[..., None])
        rates = torch.tensor(surplus(batch.data, self.task))
        if bool((rates == 1).all()):
            return self._restored(batch)
        signal, spread = batch.data.clone(), torch.zeros_like(batch.data)
        for rate in rates.unique().tolist():
            chosen = rates == rate
            part = batch.take(chosen)
            made = self._restored(part) if rate == 1 else self._coarsely(rate, part)
            signal[chosen] = made.signal
            if made.spread is not None:
                spread[chosen] = made.spread
        return Restored(signal, None if made.spread is None else spread)

    def _restored(self, batch: Batch) -> Restored:
        """Return what `restore` does, of gathers that are zero on traces that are not live, at their samples."""
        return Restored(self.applied(batch, self.answer(batch)))

    def _coarsely(self, rate: int, batch: Batch) -> Restored:
        """Return what `restore` does, from every so manyth sample."""
        data, may_change = coarser(batch.data, rate), self.may_change(batch)
        made, count = self._restored(_at_steps(batch, data, rate)), batch.data.shape[-1]
        if self.task == "demultiple":
            fine = batch.data - finer(data - made.signal, rate, count)
        else:
            fine = finer(made.signal, rate, count)
        signal = torch.where(may_change, fine, batch.data)
        if made.spread is None:
            return Restored(signal)
        return Restored(signal, made.spread.repeat_interleave(rate, dim=-1)[..., :count] * may_change)

    def answer(self, batch: Batch) -> torch.Tensor:
        """Return the predicted multiples or noise where they may be taken out, or the missing traces, zero elsewhere.

        `batch` is zero on traces that are not live.
        """
        may_change = self.may_change(batch)
        return answer_in_passes(
            lambda found, view: self.predicted(batch, found, view)[:, 0] * may_change,
            self.first.found(batch) * may_change,
            self.passes,
        )

    def may_change(self, batch: Batch) -> torch.Tensor:
        """Return bool (gather, trace, time): dead traces for interpolate, else what is seen of live ones."""
        live = batch.live[..., None]
        return ~live.expand_as(batch.data) if self.task == "interpolate" else seen(batch.data) & live

    def applied(self, batch: Batch, answer: torch.Tensor) -> torch.Tensor:
        """Return the batch with an answer put in or taken out; what is protected stays."""
        if self.task == "interpolate":
            return batch.data + answer
        if self.protect is not None:
            answer = answer - self.protect.restore(replace(batch, data=answer, start=None)).signal
        return batch.data - answer

    @torch.inference_mode()
    def predicted(
        self, batch: Batch, found: torch.Tensor, view: float, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return what the network makes of a view of a batch, in which `found` is known by what went before.

        `noise` (gather, trace, time), for traces and samples as networks see them, is a further channel. The result is
        (gather, output, trace, time), at the batch's samples: the answer, and what else is made of the network's.
        """
        rate, sign = abs(view), math.copysign(1.0, view)
        data, (times, step_ms) = batch.data, finer_times(batch.times, rate)
        valid = batch.there
        sorted_by = batch.offset.abs() if self.task == "demultiple" else batch.offset
        order = torch.where(valid, sorted_by, torch.inf).argsort(dim=1, stable=True)
        as_they_are = bool((order == torch.arange(data.shape[1])).all())
        predicted = data.new_zeros(len(data), self.outputs, *data.shape[1:])
        for part in _parts(len(data), self._gathers_at_once(data.shape[1] * len(times))):
            rows = None if as_they_are else order[part]
            place, live, there = (_ordered(each[part], rows) for each in (batch.offset, batch.live, valid))
            traces, known = (sign * _ordered(each[part], rows) for each in (data, found))
            traces, known = finer_traces(traces, known, rate)
            ahead = advance_of(traces, live, place, step_ms, self.reduction)
            late = _late(None if batch.start is None else _ordered(batch.start[part], rows), times)
            shown, level = network_inputs(traces, live, place, self.ref_offset, ahead, known, late, self.level_traces)
            if noise is not None:
                shown = torch.cat([shown, noise[part, None]], dim=1)
            if not bool(there.all()):
                shown = shown * there[:, None, :, None]
            out = self._fitting(shown, there) * (sign * level[:, None])
            out = advance(out, None if ahead is None else -ahead[:, None])
            out = as_recorded(out, rate, data.shape[2])
            predicted[part] = out if rows is None else out.gather(2, rows.argsort()[:, None, :, None].expand_as(out))
        predicted[~data.any(2).any(1)] = 0  # of nothing a network still makes something
        return predicted

    def _gathers_at_once(self, samples: int) -> int:
        """Return how many gathers of so many samples on all their traces the network sees at once."""
        return max(1, self.at_once // max(samples, 1))

    def _fitting(self, shown: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Return the network's answer (gather, output, trace, time), with as much at once as memory allows."""
        while True:
            gathers = self._gathers_at_once(shown.shape[2] * shown.shape[3])
            try:
                parts = _parts(len(shown), gathers)
                pieces = [to_host(self._in_windows(shown[part], valid[part])) for part in parts]
                settle(self.device)
                return torch.cat(pieces)
            except RuntimeError as error:  # torch has no other kind for a CPU's memory
                if not _out_of_memory(error):
                    raise
                least = min(_narrowest(self.network), shown.shape[2])
                if self.at_once <= least * shown.shape[3]:
                    raise SurveyError(
                        f"{least} traces of {shown.shape[3]} samples do not fit into memory; "
                        "expected room for that many at once: free memory, or restore a part of the time axis"
                    ) from None
                self.at_once = min(self.at_once, shown[:, 0].numel()) // 2

    def _in_windows(self, shown: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Return the network's answer for gathers of any width."""
        traces = shown.shape[2]
        widest = max(_narrowest(self.network), _whole_steps(self.at_once // shown.shape[3], self.network))
        if traces <= widest:
            return self._answer(shown, valid)
        shape = (len(shown), self.outputs, *shown.shape[2:])
        total = torch.zeros(shape, dtype=shown.dtype, device=self.device)
        for begin in range(0, traces - OVERLAP, widest - OVERLAP):
            window = slice(begin, min(begin + widest, traces))
            share = _share(window.stop - begin, begin > 0, window.stop < traces)
            total[:, :, window] += self._answer(shown[:, :, window], valid[:, window]) * share[:, None].to(self.device)
        return total

    def _answer(self, shown: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Return the network's answer (gather, output, trace, time) on its device."""
        rows, columns = (-size % step for size, step in zip(shown.shape[2:], self.network.multiple, strict=True))
        there = functional.pad(valid, (0, rows))
        everywhere = bool(there.all())  # asked before it is on a device, which would have to be waited for
        padded = functional.pad(to_device(shown, self.device, self.dtype), (0, columns, 0, rows))
        out = self._network_answer(padded, None if everywhere else there.to(self.device))
        return out[:, :, : shown.shape[2], : shown.shape[3]].to(shown.dtype)

    def _network_answer(self, padded: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
        """Return (gather, output, trace, time) of the network for padded inputs."""
        return self.network(padded, valid)


def _ordered(values: torch.Tensor, order: torch.Tensor | None) -> torch.Tensor:
    """Return values (gather, trace) or (gather, trace, time) with the traces in an order; None: as they are."""
    if order is None:
        return values
    return values.gather(1, order if values.ndim == 2 else order[..., None].expand_as(values))


def _late(start: torch.Tensor | None, times: torch.Tensor) -> torch.Tensor:
    """Return bool (gather, trace, time): from the start (gather, trace) on, true where there is none."""
    return torch.ones(1, 1, 1, dtype=torch.bool) if start is None else times >= start[..., None]


def _at_steps(batch: Batch, data: torch.Tensor, steps: float) -> Batch:
    """Return the batch with other samples, so many of its time steps apart."""
    times = batch.times[0] + steps * (batch.times[1] - batch.times[0]) * torch.arange(data.shape[-1])
    return replace(batch, data=data, times=times)


def _parts(count: int, at_once: int) -> list[slice]:
    """Cut a count into as few parts as may be, nearly equal: a remainder of one would take as long as two."""
    edges = torch.linspace(0, count, -(-count // at_once) + 1, dtype=torch.float64).round().int().tolist()
    return [slice(begin, end) for begin, end in itertools.pairwise(edges)]


def _whole_steps(traces: int, network: UNet) -> int:
    return traces // network.multiple[0] * network.multiple[0]


def _narrowest(network: UNet) -> int:
    """Return the fewest traces that a window may have: what it shares on either side."""
    return -(-2 * OVERLAP // network.multiple[0]) * network.multiple[0]


def _share(traces: int, before: bool, after: bool) -> torch.Tensor:
    """Return how much each trace of a window counts where there is one before or after it: the shares add up to one."""
    rise = ((torch.arange(traces) - MARGIN + 0.5) / FADE).clamp(0, 1)
    return (rise if before else 1.0) * (rise.flip(0) if after else torch.ones(traces))


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _device(name: str) -> str:
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError("device cuda was asked for, but torch finds no GPU here; expected cpu or auto")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def _precision(name: str, device: torch.device) -> torch.dtype:
    if name != "auto":
        return torch.bfloat16 if name == "bf16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16
    fast = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def _radon(ref_offset_m: float, protect_ms: float) -> RadonRestorer:
    """Return a Radon transform that keeps what has at most the protected moveout."""
    return RadonRestorer("demultiple", RadonSpec(cut_ms=protect_ms, taper_ms=20.0), ref_offset_m, protect_ms)
