"""Evidence: what was seen of a run beside its times, so that a comparison with another one can be judged.

Every part is None where nobody looked, and never zero in its place. `profkit.audit` holds the rules that need it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Work:
    """What was computed.

    Attributes:
        parameters: trainable numbers.
        layers: modules that compute, in all.
        macs: multiply-adds of one sample forward, of convolutions and linear layers; None where nobody counted.
        network: twelve hexadecimal digits of the network as data; None where it is not known as data.
    """

    parameters: int
    layers: int
    macs: int | None = None
    network: str | None = None


@dataclass(frozen=True)
class Inputs:
    """What the network was given: the first batch, as the program itself made it.

    Attributes:
        sha256: digest of its bytes.
        shape: with the batch.
        dtype: `float32`.
        mean: over all values.
        deviation: likewise, of the population.
        minimum: least value.
        maximum: largest value.
        preparation: how the program makes batches: order, scaling, resize, augmentation, by name.
    """

    sha256: str
    shape: tuple[int, ...]
    dtype: str
    mean: float
    deviation: float
    minimum: float
    maximum: float
    preparation: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """What one training step from the initial weights does on the first batch.

    Attributes:
        changes: by trainable weight: L2 norm of its change over the L2 norm of the weight (absolute where that is 0).
        frozen: trainable weights that nothing changed, or that have no gradient.
    """

    changes: dict[str, float]
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subnormals:
    """Shares of numbers that are not zero but below the smallest normal number of their type.

    Attributes:
        weights: of all weights and buffers, as the measured steps left them.
        state: of what the optimizer keeps; None where it keeps nothing.
        activations: of all layers' outputs for a few samples of the first batch.
        worst: tensor with the largest share; empty where there are none.
        flushed_step_ns: steps of the same program with subnormal numbers taken as zero; empty where it was not run.
    """

    weights: float
    state: float | None = None
    activations: float | None = None
    worst: str = ""
    flushed_step_ns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Memory:
    """Memory at the end of the steps without the tool [byte]; None where there is no such allocator."""

    rss_bytes: int | None = None
    peak_rss_bytes: int | None = None
    device_allocated_bytes: int | None = None
    device_reserved_bytes: int | None = None
    device_peak_bytes: int | None = None


@dataclass(frozen=True)
class Clock:
    """The clock that timed the steps.

    Attributes:
        name: as its library calls it (`perf_counter`, `steady_clock`).
        resolution_ns: smallest difference that it showed.
        monotonic: whether it never goes back.
    """

    name: str
    resolution_ns: float
    monotonic: bool


@dataclass(frozen=True)
class Binary:
    """What a compiled program's file tells of how it was built.

    Attributes:
        compiler: as the file names it; empty where it does not.
        optimisation: `-O0`, `-O2` ...; None where the file does not tell.
        assertions: whether `assert` is compiled in; None where the file does not tell.
        debug_info: whether there is any.
        flags: as far as the file keeps them.
        told_by: what in the file says so.
        optimised: whether the compiler optimised, also where the level is not told; None where that is not either.
    """

    compiler: str = ""
    optimisation: str | None = None
    assertions: bool | None = None
    debug_info: bool = False
    flags: str = ""
    told_by: tuple[str, ...] = ()
    optimised: bool | None = None


@dataclass(frozen=True)
class Trace:
    """What the artefact itself tells of how it came about.

    Attributes:
        covered: share of the steps' wall time (or of the samples, or instructions) in anything but the steps
            themselves; None where it cannot be told.
        steps: whole steps that it marks.
        samples: of a sampler, in all; None of other tools.
        samples_in_steps: those of them under the measured region.
        importing: share of the cost in importing modules, callees included.
        reading: share of the cost in reading and decoding data, callees included.
        device_ns: time of kernels on devices.
        late_device_ns: the part of it after the end of the step that launched it: time that an unsynchronised timer
            misses.
        launches: kernel launches on the host.
        launches_without_kernel: those whose kernel is not in the trace.
        kernels_without_launch: kernels whose launch is not in the trace.
        synchronisations: calls on the host that wait for a device.
        broken: events lost, cut off or repaired.
        other_tools: share of the cost in other tools, by their names: 0 for one that is there and costs nothing itself.
        steps_ns: from the begin of the first step to the end of the last one, by the trace's clock.
        outlived_ns: from there to the end of the last kernel that a step launched, 0 where that is before: what a timer
            around all steps misses without synchronisation.
    """

    covered: float | None = None
    steps: int | None = None
    samples: int | None = None
    samples_in_steps: int | None = None
    importing: float | None = None
    reading: float | None = None
    device_ns: int | None = None
    late_device_ns: int | None = None
    launches: int | None = None
    launches_without_kernel: int | None = None
    kernels_without_launch: int | None = None
    synchronisations: int | None = None
    broken: int | None = None
    other_tools: dict[str, float] = field(default_factory=dict)
    steps_ns: int | None = None
    outlived_ns: int | None = None


@dataclass(frozen=True)
class Evidence:
    """All that was seen.

    Attributes:
        work: what was computed.
        inputs: what the network was given.
        training: what a step does to the weights; None of inference.
        subnormals: shares of subnormal numbers.
        memory: by allocator.
        clock: that timed the steps.
        binary: of a compiled program.
        trace: what the artefact tells.
        phase_ns: of each step without the tool, by phase (data, host_to_device, forward, backward, optimizer), repeat
            after repeat.
        warmup_ns: of each step before the region of the first process.
        load_ns: of reading the data files before the first step.
        samples: of each step without the tool.
        metrics: what was counted for them (`test_samples`, `test_samples_counted`); empty where none were taken.
        workers: threads or processes that make batches ahead.
        places: where tensors really were at the end (`weights`, `inputs`, `state`): `cpu`, `cuda:0`; several with
            commas.
        synchronised: whether the program waits for its devices at the end of every timed step.
        other_tools: profilers, tracers and debuggers found in the process beside the recorder's own; None where nobody
            looked.
        processes: one mark for each fresh process that gave times: equal marks are the same process.
        options_checked: whether the program refuses an option that it does not know.
        headless: whether it ran without a display.
        directory: whether it ran in another directory than its own source.
    """

    work: Work | None = None
    inputs: Inputs | None = None
    training: Training | None = None
    subnormals: Subnormals | None = None
    memory: Memory | None = None
    clock: Clock | None = None
    binary: Binary | None = None
    trace: Trace | None = None
    phase_ns: dict[str, tuple[int, ...]] = field(default_factory=dict)
    warmup_ns: tuple[int, ...] = ()
    load_ns: int | None = None
    samples: tuple[int, ...] = ()
    metrics: dict[str, int] = field(default_factory=dict)
    workers: int | None = None
    places: dict[str, str] = field(default_factory=dict)
    synchronised: bool | None = None
    other_tools: tuple[str, ...] | None = None
    processes: tuple[str, ...] = ()
    options_checked: bool | None = None
    headless: bool | None = None
    directory: bool | None = None
