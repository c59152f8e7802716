"""cuDNN and cuBLAS: algorithms chosen by timing them, and products rounded to TF32."""

from __future__ import annotations

from profkit.what_if import Change, Trial, Variant


def refusal(trial: Trial, _other: Trial) -> str | None:
    """They compute on NVIDIA's devices, and Numba's kernels do without them."""
    if trial.course.device != "cuda":
        return f"it computes on {trial.course.device}"
    return "it does not use cuDNN" if trial.implementation.name == "numba" else None


def variants(trial: Trial, _other: Trial) -> tuple[Variant, ...]:
    """The trial with each flag the other way round."""
    timed = not trial.course.cudnn_benchmark
    label = "algorithms chosen by timing" if timed else "algorithms chosen by rule"
    return (Variant(f"cuDNN's {label}", trial.on(cudnn_benchmark=timed)), _tf32(trial))


def _tf32(trial: Trial) -> Variant:
    """Without TF32 where anything used it, else with it in matrix products.

    NVIDIA's variable holds all its libraries off it; torch's lets cuBLAS use it, as cuDNN may by default.
    """
    flags = (trial.run.settings.get(name, "false") for name in ("cudnn_tf32", "matmul_tf32"))
    if any(flag == "true" for flag in flags):
        return Variant("no TF32", trial.under(NVIDIA_TF32_OVERRIDE="0"))
    return Variant("TF32 in matrix products", trial.under(TORCH_ALLOW_TF32_CUBLAS_OVERRIDE="1"))


CUDNN = Change(
    name="cudnn",
    question="what if cuDNN timed its algorithms, or nothing were rounded to TF32?",
    refusal=refusal,
    variants=variants,
)
