"""Scene recipes: what kinds of earth, sea, spread, wavelet and noise scenes are drawn from.

Every number is told for a sample interval of 4 ms. A scene of another interval is the same scene with all times and all
lengths scaled alike (velocities stay, frequencies go the other way), so that nothing a network sees depends on the
interval.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from seisdiff.validation import read_recipe

NOMINAL_DT_MS = 4.0

Domain = Literal["cmp", "nmo", "shot", "stack", "angle", "depth"]
Pattern = Literal["regular", "jittered", "irregular", "split"]
WaveletKind = Literal["ricker", "ormsby", "klauder", "airgun"]
Phase = Literal["zero", "minimum", "rotated"]
NoiseKind = Literal[
    "white", "coloured", "band", "tracewise", "swell", "strum", "ground_roll", "air_wave", "linear", "erratic", "hum",
    "flipped",
]  # fmt: skip
GapKind = Literal["none", "random", "regular", "block", "near", "edges"]


def _rising(span: tuple[float, float]) -> tuple[float, float]:
    if not span[0] <= span[1]:
        raise ValueError(f"a range is [LOW, HIGH] with LOW <= HIGH; got {list(span)}")
    return span


def _weighted(weights: dict[str, float]) -> dict[str, float]:
    if not weights or min(weights.values()) < 0 or sum(weights.values()) <= 0:
        raise ValueError("weights must be 0 or more, one of them above 0")
    return weights


Span = Annotated[tuple[float, float], AfterValidator(_rising)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EarthSpec(_Spec):
    """The layered earth: two-way times in ms, velocities in m/s, lengths in m."""

    layers: int = Field(default=64, ge=2, le=256, description="reflectors")
    water_m: Span | None = Field(default=(60.0, 1200.0), description="depth of the sea; null on land")
    weathering_ms: Span = Field(default=(10.0, 80.0), description="two-way time of the top layer on land")
    velocity: Span = Field(default=(1550.0, 2200.0), description="just below the sea bottom or the weathering")
    gradient: Span = Field(default=(200.0, 1000.0), description="growth of velocity, m/s per s of two-way time")
    fastest: float = Field(default=6500.0, gt=0)
    scatter: Span = Field(default=(0.02, 0.1), description="of interval velocities about their trend, as a ratio")
    bumpy: Span = Field(default=(0.3, 1.3), description="spread of the logarithm of layer thickness")
    fast_layers: Share = Field(default=0.35, description="share of earths with salt, carbonate or basalt")
    gas: Share = Field(default=0.25, description="share of earths with gas")
    periodic: Share = Field(default=0.1, description="share of earths of equal layers")
    acoustic: Share = Field(default=0.3, description="share of earths without shear waves")
    anisotropy: Span = Field(default=(-0.03, 0.12), description="eta of vertical transverse isotropy")
    quality: Span = Field(default=(40.0, 400.0), description="Q below the water")


class StructureSpec(_Spec):
    """What is not flat: dips and curvature, faults, diffractions, small statics."""

    dip_deg: Span = Field(default=(0.0, 12.0), description="largest dip of a scene")
    statics_ms: Span = Field(default=(0.0, 1.5), description="smooth departures along the spread, in rms")
    faults: Share = Field(default=0.5, description="share of stacks with faults")
    fades: Span = Field(default=(0.0, 0.8), description="lateral change of reflectors in stacks, rms of its logarithm")
    diffractions: Share = Field(default=0.4, description="share of shots and stacks with diffractions")


class SpreadSpec(_Spec):
    """Offsets, m."""

    traces: int = Field(default=64, ge=2, le=1024)
    reach: Span = Field(default=(0.3, 1.7), description="largest offset over the depth of the end of the record")
    far_m: Span = Field(default=(300.0, 9000.0), description="limits of the largest offset")
    near_m: Span = Field(default=(0.0, 300.0), description="a number below 0 is 0")
    missing_near: Share = Field(default=0.15, description="share of scenes that lack 5 to 30 % of the near offsets")
    patterns: Annotated[dict[Pattern, float], AfterValidator(_weighted)] = {
        "regular": 0.6, "jittered": 0.2, "irregular": 0.15, "split": 0.05,
    }  # fmt: skip
    cdp_m: Span = Field(default=(6.25, 50.0), description="trace spacing of stacks")
    angle_deg: Span = Field(default=(25.0, 60.0), description="largest angle of angle gathers")


class WaveletSpec(_Spec):
    """The wavelet; frequencies in Hz at 4 ms, that is 250 Hz for one cycle a sample."""

    kinds: Annotated[dict[WaveletKind, float], AfterValidator(_weighted)] = {
        "ricker": 0.35, "ormsby": 0.25, "klauder": 0.1, "airgun": 0.3,
    }  # fmt: skip
    phases: Annotated[dict[Phase, float], AfterValidator(_weighted)] = {"zero": 0.4, "minimum": 0.3, "rotated": 0.3}
    peak_hz: Span = (10.0, 50.0)
    ghosts: Share = Field(default=0.5, description="share of scenes with source and receiver ghosts left in")
    ghost_m: Span = Field(default=(4.0, 25.0), description="depth of source and receivers in the water")


class MultipleSpec(_Spec):
    """Surface and interbed multiples."""

    orders: int = Field(default=6, ge=1, le=32, description="water-layer reverberations of every reflector")
    long_orders: int = Field(default=6, ge=1, le=64, description="the same of the sea bottom and the strongest ones")
    strongest: int = Field(default=8, ge=2, le=24, description="reflectors between which further multiples run")
    without: Share = Field(default=0.08, description="share of scenes that have no surface multiples")
    level: Span = Field(default=(0.6, 1.4), description="free-surface coefficient, as a factor on each bounce")
    jitter: Span = Field(default=(0.0, 0.01), description="departure from exact periods, as a ratio")


class ProcessingSpec(_Spec):
    """What has been done to the gathers."""

    domains: Annotated[dict[Domain, float], AfterValidator(_weighted)] = Field(
        default={"nmo": 1.0}, description="cmp and shot are not NMO-corrected"
    )
    velocity_error: Span = Field(default=(0.0, 0.04), description="of picked velocities, as a ratio")
    picks: int = Field(default=12, ge=2, le=64, description="velocity picks down a record")
    stretch: Span = Field(default=(0.2, 0.8), description="stretch beyond which is muted")
    divergence: Span = Field(default=(0.0, 0.6), description="share of spherical divergence left uncorrected")
    gain_power: Span = Field(default=(-0.3, 1.0), description="n of a gain t^n on top of that")
    agc: Share = Field(default=0.1, description="share of scenes under automatic gain control")
    agc_ms: Span = (300.0, 1500.0)
    late_start: Share = Field(default=0.2, description="share of scenes that are a window from further down")
    late_ms: Span = (500.0, 4000.0)


class NoiseSpec(_Spec):
    """Noise: how often each kind is there, and how strong."""

    kinds: dict[NoiseKind, Share] = {}
    snr_db: Span = Field(default=(-15.0, 30.0), description="signal (all waves) over noise, each kind for itself")
    levels: dict[NoiseKind, Span] = Field(default={}, description="the same for kinds that have a range of their own")
    dead: Share = Field(default=0.0, description="share of traces that are dead")


class GapSpec(_Spec):
    """Traces that are missing."""

    kinds: Annotated[dict[GapKind, float], AfterValidator(_weighted)] = {"none": 1.0}
    missing: Span = Field(default=(0.1, 0.8), description="share of random gaps")
    block: tuple[int, int] = Field(default=(3, 16), description="traces in a block, near or edge gap")


class SceneRecipe(_Spec):
    """All that scenes are drawn from."""

    name: str
    about: str = ""
    samples: int = Field(default=1000, ge=16, le=16384)
    dt_ms: tuple[float, ...] = Field(default=(4.0,), min_length=1)
    layered: Share = Field(default=0.0, description="share of gathers that are the whole field of plane layers")
    earth: EarthSpec = EarthSpec()
    structure: StructureSpec = StructureSpec()
    spread: SpreadSpec = SpreadSpec()
    wavelet: WaveletSpec = WaveletSpec()
    multiples: MultipleSpec = MultipleSpec()
    processing: ProcessingSpec = ProcessingSpec()
    noise: NoiseSpec = NoiseSpec()
    gaps: GapSpec = GapSpec()

    @model_validator(mode="after")
    def _intervals_are_positive(self) -> SceneRecipe:
        if min(self.dt_ms) <= 0:
            raise ValueError(f"dt_ms must be above 0; got {list(self.dt_ms)}")
        return self


def load_scene_recipe(source: str | Path) -> SceneRecipe:
    """Return the recipe of a YAML file; raises OptionError with every fault in one line."""
    return read_recipe(SceneRecipe, source, "samples: 1000")
