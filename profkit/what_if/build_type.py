"""Build type: what compiling profkit's own C++ without optimisation costs, or with it would give."""

from __future__ import annotations

from dataclasses import replace

from profkit.what_if import Change, Trial, Variant


def refusal(trial: Trial, _other: Trial) -> str | None:
    """Only what is compiled here can be compiled otherwise."""
    return None if len(trial.implementation.builds) > 1 else f"{trial.implementation.name} is not compiled here"


def variants(trial: Trial, _other: Trial) -> tuple[Variant, ...]:
    """A trial for each other build."""
    return tuple(
        Variant(f"{build} build", replace(trial, build=build))
        for build in trial.implementation.builds
        if build != trial.build
    )


BUILD_TYPE = Change(
    name="build_type",
    question="what if the program were compiled with or without optimisation?",
    refusal=refusal,
    variants=variants,
)
