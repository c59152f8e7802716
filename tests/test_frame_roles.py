"""What functions are known by: those that import, read or profile, as tools write them, and those that do not."""

from __future__ import annotations

import pyarrow as pa
import pytest

from profkit.frame_roles import IMPORTING, READING, TOOLS, matching, tools


@pytest.mark.parametrize(
    ("function", "role"),
    [
        ("_find_and_load\n<frozen importlib._bootstrap>\n", IMPORTING),
        ("_call_with_frames_removed\n<frozen importlib._bootstrap>\n", IMPORTING),
        ("dlopen\n\nlibc.so.6", IMPORTING),
        ("_dl_open\n\nld-linux-x86-64.so.2", IMPORTING),
        ("_GLOBAL__sub_I_RegisterCPU.cpp\n\nlibtorch_cpu.so", IMPORTING),
        ("PyImport_ImportModuleLevelObject\n\nlibpython3.11.so", IMPORTING),
        ("_BaseDataLoaderIter.__next__\n/venv/lib/python3.11/site-packages/torch/utils/data/dataloader.py\n", READING),
        ("open\n/venv/lib/python3.11/site-packages/PIL/Image.py\n", READING),
        ("ImageFile.load\nPIL/ImageFile.py\n", READING),
        ("load\nnumpy/lib/_npyio_impl.py\n", READING),
        ("load\ntorch/serialization.py\n", READING),
        ("read_idx\nmine/digits.py\n", READING),
        ("Cifar10.unpack\nmine/cifar10_reader.py\n", READING),
        ("main\nmine/idx.py\n", READING),
        ("unpack\nmnist_loader.py\n", READING),
        ("ImagingJpegDecode\n\n_imaging.cpython-311-x86_64-linux-gnu.so", READING),
        ("jsimd_idct_islow\n\nlibjpeg-3b10b538.so.62.3.0", READING),
        ("read_images(char const*)\ntrain.cpp\n/project/train", READING),
        ("loadMNIST(std::string const&)\nmain.cpp\n/project/train", READING),
        ("torch::data::datasets::MNIST::MNIST(std::string const&)\n\nlibtorch_cpu.so", READING),
        ("__read\n\nlibc.so.6", READING),
    ],
)
def test_a_function_tells_by_its_name_or_place_what_it_does(function: str, role: str) -> None:
    assert matching(pa.array([function]), role).all()


@pytest.mark.parametrize(
    "function",
    [
        "Module.load_state_dict\ntorch/nn/modules/module.py\n",
        "Tensor.__iter__\ntorch/_tensor.py\n",
        "_dl_runtime_resolve_xsave\n\nld-linux-x86-64.so.2",
        "at::native::batch_norm_cpu(at::Tensor const&)\n\nlibtorch_cpu.so",
        "void at::native::vectorized_loop<float>(char**, long)\n\nlibtorch_cpu.so",
        "pthread_create\n\nlibc.so.6",
        "ready\nmine.py\n",
        "forward\n/home/me/mnist.py\n",  # the program itself, by its data
        "<module>\ncifar10.py\n",
        "train\nmine/cifar.py\n",
        "record_function.__enter__\ntorch/autograd/profiler.py\n",
        "Optimizer.profile_hook_step.<locals>.wrapper\ntorch/optim/optimizer.py\n",
        "torch::autograd::profiler::record_function_enter_new\n\nlibtorch_cpu.so",
        "PyTraceMalloc_Track\n\nlibpython3.11.so",
    ],
)
def test_other_functions_import_read_and_profile_nothing(function: str) -> None:
    texts = pa.array([function])
    assert not matching(texts, IMPORTING).any()
    assert not matching(texts, READING).any()
    assert tools(texts, "py-spy")[0].tolist() == [-1]


@pytest.mark.parametrize(
    ("function", "tool"),
    [
        ("profiler_callback\n_lsprof.c\n", "cProfile"),
        ("Profile.runcall\n/usr/lib/python3.11/cProfile.py\n", "cProfile"),
        ("profile._start_trace\ntorch/autograd/profiler.py\n", "torch.profiler"),
        ("profile.stop\ntorch/profiler/profiler.py\n", "torch.profiler"),
        ("torch::profiler::impl::RecordQueue::getSubqueue\n\nlibtorch_cpu.so", "torch.profiler"),
        ("Scalene.cpu_signal_handler\n/venv/scalene/scalene_profiler.py\n", "scalene"),
        ("Profiler.start\npyinstrument/profiler.py\n", "pyinstrument"),
        ("_callback\n\n_yappi.cpython-311-x86_64-linux-gnu.so", "yappi"),
        ("snaptrace_tracefunc\n\nviztracer/snaptrace.cpython-311-x86_64-linux-gnu.so", "viztracer"),
        ("Collector._installation_trace\n/venv/coverage/collector.py\n", "coverage"),
        ("PyDB.trace_dispatch\npydevd.py\n", "a debugger"),
        ("Bdb.trace_dispatch\n/usr/lib/python3.11/bdb.py\n", "a debugger"),
        ("memray::tracking_api::Tracker::trackAllocation\n\n_memray.so", "memray"),
        ("python_trace_callback\n\n_line_profiler.cpython-311-x86_64-linux-gnu.so", "line_profiler"),
        ("mcount\n\nlibc.so.6", "gprof"),
        ("__asan_memcpy\n\nlibasan.so.8", "a sanitizer"),
        ("trace_trampoline\nsysmodule.c\nlibpython3.11.so", "sys.settrace"),
    ],
)
def test_every_tool_is_known_by_its_functions(function: str, tool: str) -> None:
    codes, names = tools(pa.array([function]), "py-spy")
    assert [names[code] for code in codes] == [tool]


def test_the_tool_that_recorded_is_no_other_one() -> None:
    texts = pa.array(["profile.stop\ntorch/profiler/profiler.py\n"])
    assert tools(texts, "torch")[0].tolist() == [-1]
    assert set(tools(texts, "py-spy")[1]) == set(TOOLS)


# Call graphs.
