"""Cases: degraded surveys with their truth, made from the judge's files when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from seisdiff.errors import FileFormatError, OptionError
from seisdiff.judge.field import ground_roll, marine_shots
from seisdiff.judge.files import Earth, Recorded, read_recorded
from seisdiff.judge.noise import HOLES, NOISES, scaled, seeded, white
from seisdiff.operators.nmo import MoveoutCorrection
from seisdiff.survey import make_survey

TASKS = ("demultiple", "denoise", "interpolate")
SPLITS = ("dev", "test")
SNR_DB = (-5.0, 0.0, 5.0)
WRONG_VELOCITIES = {"3 % slow": 0.97, "3 % fast": 1.03}
_GATHER_NOISE_DB = 10.0
#: A primary counts as isolated where others within this time have together less than this share of its strength.
_ALONE_MS, _ALONE_SHARE, _MOST_PRIMARIES, _FIRST_MS = 60.0, 0.5, 6, 200.0


@dataclass(frozen=True)
class Case:
    """A degraded survey and what a method should return for it.

    `task` and `name` say which damage, `source` where the truth comes from: "judge", or recorded data ("viking",
    "land"). `degraded` and `truth` are surveys in memory with the same traces in the same order; `scored` (trace)
    tells which of them figures are over. Per gather, NaN or empty where there is none: `water_m`,
    `first_multiple_ms` (zero-offset time of the first water-bottom multiple) and `primaries_ms` (zero-offset times of
    the strongest isolated primaries). `velocity` (gather, time) in m/s is what the moveout was corrected with.
    """

    task: str
    name: str
    source: str
    degraded: xr.Dataset
    truth: xr.Dataset
    scored: np.ndarray
    water_m: np.ndarray
    first_multiple_ms: np.ndarray
    primaries_ms: tuple[np.ndarray, ...]
    velocity: np.ndarray | None


def open_judge(folder: str | Path) -> Judge:
    """Open the folder that holds the judge's files; raises FileFormatError where they are absent or damaged."""
    folder = Path(folder)
    for split in SPLITS:
        for kind in ("gathers", "shots"):
            if not (folder / f"{split}_{kind}.npz").is_file():
                raise FileFormatError(
                    f"no judge in {folder}: expected {split}_{kind}.npz, as in the repository's benchmarks/judge"
                )
    return Judge(folder)


class Judge:
    """The judge's gathers and shots; cases are made of them one by one, the same each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recorded = cache(self._recorded)

    def _recorded(self, split: str, kind: str) -> Recorded:
        if split not in SPLITS or kind not in ("gathers", "shots"):
            raise OptionError(f"the judge holds gathers and shots of {' and '.join(SPLITS)}; got {kind} of {split!r}")
        return read_recorded(self.folder / f"{split}_{kind}.npz")

    def cases(self, task: str, split: str, *, field: Path | None = None) -> Iterator[Case]:
        """Return the cases of a task, made one by one; `field` is a folder of recorded data that adds further ones.

        Choices are made on the split "dev", final figures on "test". Raises OptionError for an unknown task or
        split, FileFormatError for damaged files or a `field` that lacks the recorded data.
        """
        if task not in TASKS:
            raise OptionError(f"task {task!r} is unknown; expected one of {', '.join(TASKS)}")
        if split not in SPLITS:
            raise OptionError(f"split {split!r} is unknown; expected dev for choices or test for final figures")
        if task == "demultiple":
            return self._demultiple(split)
        make = _denoise if task == "denoise" else _interpolate
        return self._of_shots(make, split, None if field is None else Path(field))

    def _demultiple(self, split: str) -> Iterator[Case]:
        recorded = self.recorded(split, "gathers")
        if recorded.primaries is None:
            raise FileFormatError(f"{split}_gathers.npz holds no primaries; it is not a file of the judge's gathers")
        exact = _demultiple_case(recorded, "exact", 1.0)
        yield exact
        for name, factor in WRONG_VELOCITIES.items():
            yield _demultiple_case(recorded, name, factor)
        yield _with_noise(exact, recorded, split)
        yield replace(exact, name="primaries only", degraded=exact.truth.copy(deep=True))

    def _of_shots(self, make: _Maker, split: str, field: Path | None) -> Iterator[Case]:
        yield from make(_judge_shots(self.recorded(split, "shots")), split)
        if field is not None:
            yield from make(_marine(field, split), split)
        if field is not None and make is _denoise:
            yield from _ground_roll_cases(_judge_shots(self.recorded(split, "shots")), split, field)


@dataclass(frozen=True)
class _Shots:
    """Shots that are taken for truth."""

    source: str
    samples: Sequence[np.ndarray]
    offset: Sequence[np.ndarray]
    dt_ms: float
    water_m: np.ndarray
    first_multiple_ms: np.ndarray

    def case(
        self, task: str, name: str, degraded: Sequence[np.ndarray], missing: Sequence[np.ndarray] | None = None
    ) -> Case:
        """Return a case of these shots; `missing` (trace) tells which traces of each are to be filled."""
        truth = _survey(self.samples, self.offset, self.dt_ms, "field_record")
        holes = None if missing is None else np.concatenate(missing)
        return Case(
            task=task,
            name=name,
            source=self.source,
            degraded=_survey(degraded, self.offset, self.dt_ms, "field_record", holes),
            truth=truth,
            scored=np.ones(truth.sizes["trace"], bool) if holes is None else holes,
            water_m=self.water_m,
            first_multiple_ms=self.first_multiple_ms,
            primaries_ms=tuple(np.empty(0) for _ in self.samples),
            velocity=None,
        )


_Maker = Callable[[_Shots, str], Iterator[Case]]


def _judge_shots(recorded: Recorded) -> _Shots:
    water, multiple = _water(recorded.earths)
    return _Shots("judge", recorded.full, recorded.offset, recorded.dt_ms, water, multiple)


def _marine(folder: Path, split: str) -> _Shots:
    """Return the first two recorded shots for dev, the others for test."""
    samples, offset, step = marine_shots(folder)
    chosen = slice(0, 2) if split == "dev" else slice(2, None)
    unknown = np.full(len(samples[chosen]), np.nan)
    return _Shots("viking", samples[chosen], offset[chosen], step, unknown, unknown)


def _denoise(shots: _Shots, split: str) -> Iterator[Case]:
    for kind, make in NOISES.items():
        for snr in SNR_DB:
            noise = [
                scaled(one, make(seeded(shots.source, split, kind, snr, at), one.shape, shots.dt_ms), snr)
                for at, one in enumerate(shots.samples)
            ]
            yield shots.case("denoise", f"{kind} {snr:g} dB", _added(shots.samples, noise))
    if shots.source == "judge":
        yield shots.case("denoise", "clean", shots.samples)


def _interpolate(shots: _Shots, split: str) -> Iterator[Case]:
    for name, make in HOLES.items():
        missing = [make(seeded(shots.source, split, name, at), len(one)) for at, one in enumerate(shots.samples)]
        holed = [np.where(holes[:, None], 0, one) for holes, one in zip(missing, shots.samples, strict=True)]
        yield shots.case("interpolate", name, holed, missing)


def _ground_roll_cases(shots: _Shots, split: str, folder: Path) -> Iterator[Case]:
    """Yield the judge's shots with recorded ground roll: one side of the land shot for dev, the other for test."""
    roll, step = ground_roll(folder, -1 if split == "dev" else 1)
    if step != shots.dt_ms:
        raise FileFormatError(f"the land shot has samples of {step:g} ms; expected {shots.dt_ms:g}")
    spread = [_laid_out(roll, one.shape, at) for at, one in enumerate(shots.samples)]
    for snr in SNR_DB:
        noise = [scaled(one, part, snr) for one, part in zip(shots.samples, spread, strict=True)]
        case = shots.case("denoise", f"ground roll {snr:g} dB", _added(shots.samples, noise))
        yield replace(case, source="land")


def _laid_out(roll: np.ndarray, shape: tuple[int, int], number: int) -> np.ndarray:
    """Return ground roll of the shape of a shot, trace for trace: another first trace and polarity for each shot."""
    traces, samples = shape
    return (-1) ** number * roll[3 * number : 3 * number + traces, :samples]


def _demultiple_case(recorded: Recorded, name: str, factor: float) -> Case:
    """Return gathers corrected with `factor` times the exact velocities."""
    assert recorded.primaries is not None
    times = recorded.dt_ms * np.arange(recorded.full[0].shape[1])
    velocity = factor * np.stack([earth.rms_velocity(times) for earth in recorded.earths])
    both = np.stack(recorded.full) + 1j * np.stack(recorded.primaries)  # corrected in one go
    corrected = _corrected(both.astype(np.complex64), recorded, velocity, times)
    full, truth = (
        _survey(part, recorded.offset, recorded.dt_ms, "cdp") for part in (np.real(corrected), np.imag(corrected))
    )
    water, multiple = _water(recorded.earths)
    return Case(
        task="demultiple",
        name=name,
        source="judge",
        degraded=full,
        truth=truth,
        scored=np.ones(truth.sizes["trace"], bool),
        water_m=water,
        first_multiple_ms=multiple,
        primaries_ms=tuple(isolated_primaries(earth, 0.85 * float(times[-1])) for earth in recorded.earths),
        velocity=velocity,
    )


def _with_noise(exact: Case, recorded: Recorded, split: str) -> Case:
    """Return the case with white noise in the recorded traces, in each gather of the level asked for once corrected."""
    assert exact.velocity is not None
    name = f"noise {_GATHER_NOISE_DB:g} dB"
    drawn = [white(seeded(split, name, at), one.shape, recorded.dt_ms) for at, one in enumerate(recorded.full)]
    noise = _corrected(np.stack(drawn), recorded, exact.velocity, exact.truth["time"].values)
    full = exact.degraded["amplitude"].values.reshape(noise.shape)
    noisy = [one + scaled(one, part, _GATHER_NOISE_DB) for one, part in zip(full, noise, strict=True)]
    return replace(exact, name=name, degraded=_survey(noisy, recorded.offset, recorded.dt_ms, "cdp"))


def _corrected(gathers: np.ndarray, recorded: Recorded, velocity: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return gathers (gather, trace, time) after moveout correction and its stretch mute."""
    offset = torch.from_numpy(np.stack(recorded.offset))
    correction = MoveoutCorrection(offset, torch.from_numpy(velocity), torch.from_numpy(times.copy()))
    return correction.forward(torch.from_numpy(gathers)).numpy()


def isolated_primaries(earth: Earth, last_ms: float) -> np.ndarray:
    """Return the zero-offset times (ms), ascending, of up to 6 strong primaries that stand alone.

    Strength is the reflection coefficient times the transmission losses above; half of it or more must be left when
    all that others have within 60 ms is taken off.
    """
    times, reflection = earth.interface_ms(), earth.reflection()
    strength = np.abs(reflection) * np.concatenate([[1.0], np.cumprod(1 - reflection[:-1] ** 2)])
    near = np.abs(times[:, None] - times) < _ALONE_MS
    others = near @ strength - strength
    usable = (times > _FIRST_MS) & (times < last_ms) & (others < _ALONE_SHARE * strength)
    chosen = np.flatnonzero(usable)
    return np.sort(times[chosen[np.argsort(-strength[chosen])][:_MOST_PRIMARIES]])


def _water(earths: Sequence[Earth]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([earth.water_m for earth in earths]), np.array([earth.first_multiple_ms for earth in earths])


def _added(samples: Sequence[np.ndarray], noise: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [one + part for one, part in zip(samples, noise, strict=True)]


def _survey(
    samples: Sequence[np.ndarray] | np.ndarray,
    offset: Sequence[np.ndarray],
    dt_ms: float,
    key: str,
    missing: np.ndarray | None = None,
) -> xr.Dataset:
    """Return a survey of gathers numbered from 1; missing traces are dead."""
    fold = [len(one) for one in samples]
    live = np.ones(sum(fold), bool) if missing is None else ~missing
    return make_survey(
        np.concatenate([*samples]).astype(np.float32),
        dt_ms=dt_ms,
        offset=np.concatenate(offset),
        gather=np.repeat(np.arange(1, len(fold) + 1), fold),
        gather_key=key,
        trace_values={"live": live},
    )
