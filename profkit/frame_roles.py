"""What a function does that is no part of a training step: it imports modules, reads data, or is a profiler itself.

Every distinct function is written as three lines, `symbol`, `file` and `library`, empty where the tool does not tell
them, and looked at once, by Arrow's regular expressions.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit.columns import NONE, Flags, Ints, integers, to_dictionary

_KINETO_PYTHON = r"^([^<>\n]*)\(\d+\): ([^\n]*)\n[^\n]*"
"""How Kineto writes a Python function, whose name and file then change places."""


def _any(*patterns: str) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def _named(names: str) -> str:
    """A function of one of these names."""
    return rf"^(?:{names})(?:[@(.][^\n]*)?\n"


def _in_files(files: str) -> str:
    """A function that lies in one of these files: the last parts of their paths."""
    return rf"^[^\n]*\n(?:[^\n]*/)?(?:{files})\n"


def _in_libraries(libraries: str) -> str:
    """A function that lies in one of these libraries."""
    return rf"\n(?:[^\n]*/)?(?:{libraries})[^\n/]*$"


IMPORTING = _any(
    _in_files(r"<frozen (?:importlib|zipimport)[^\n]*|importlib/_bootstrap(?:_external)?\.py"),
    r"^<frozen importlib[^\n]*\n",
    _named(
        r"_?PyImport_\w+|import_(?:find_and_load|name|all_from)|_imp_\w+|(?:builtin___|PyEval_)import\w*"
        r"|(?:__|__libc_)?dlopen\w*|_?_dl_open\w*|dl_open_worker\w*|_dl_(?:map_object\w*|relocate_object\w*|init|start\w*)"
        r"|_dl_sysdep_start|dl_main|call_init|_GLOBAL__sub_I_[^\n]*|__static_initialization_and_destruction_\d[^\n]*"
    ),
)
"""Functions in which, callees included, modules are imported and libraries loaded."""

_READERS = (
    r"(?:read|load|decode|open|parse)_?(?:[a-z0-9]+_)*(?:idx\w*|mnist\w*|cifar\w*|imagenet\w*|images?|labels?|pictures?"
    r"|datasets?|jpe?gs?|pngs?|csv|samples)"
)
_STREAMS = (
    r"(?:__libc_|__GI_+|__)?(?:p?read(?:64|v)?|fread\w*|fgets\w*)|_IO_(?:new_)?(?:file_(?:read|underflow|xsgetn)|sgetn)\w*"
    r"|_io_\w*[Rr]ead\w*|_bufferedreader_\w+|_Unpickler_\w+|std::(?:__\w+::)?(?:getline|basic_filebuf|basic_ifstream)[^\n]*"
    r"|inflate\w*|mz_\w+|stbi_\w+|Imaging\w*Decode\w*|jpeg_\w+|png_\w+|tj\w*Decompress\w*"
)
_TORCH_READERS = (
    r"(?:[^\n(]* )?(?:torch::data::|torch::load|torch::serialize::InputArchive::|caffe2::serialize::"
    r"|cv::im(?:read|decode)|torch::jit::(?:pickle_load|Unpickler|ScriptModuleDeserializer))[^\n]*"
)
READING = _any(
    _in_files(
        r"torchvision/(?:datasets|io)/[^\n]*|torch/utils/data/[^\n]*|torch/serialization\.py|PIL/(?:ImageFile|\w+Plugin)\.py"
        r"|numpy/lib/(?:_?npyio(?:_impl)?|_?format(?:_impl)?)\.py|(?:pandas|skimage)/io/[^\n]*|(?:h5py|imageio)/[^\n]*"
        r"|(?:webdataset|tifffile|soundfile|torchcodec)/[^\n]*|torchaudio/[^\n]*|(?:gzip|bz2|lzma|tarfile|zipfile)\.py"
        r"|idx(?:_reader|_loader)?\.py|(?:mnist|cifar\w*)_(?:reader|loader)\.py"
    ),
    r"^(?:Image\.)?(?:open|_decompression_bomb_check)\n(?:[^\n]*/)?PIL/Image\.py\n",
    rf"(?i)^(?:[\w.<>]+\.)?_?{_READERS}\n[^\n]*\.(?:py|ipynb)\n",
    rf"(?i)^(?:[^\n(]*[ :])?{_READERS}[(\n]",
    _named(_STREAMS),
    rf"^(?:{_TORCH_READERS})\n",
    _in_libraries(r"lib(?:jpeg|turbojpeg|png|tiff|webp|hdf5|sndfile|avcodec|avformat)[-.\w]*\.so"),
)
"""Functions in which, callees included, data are read and decoded, unless a module is being imported."""

_ASIDE = (
    r"profile\.(?:__enter__|__exit__|_start_trace|_prepare_trace)|_parse_kineto_results|_start_trace|_prepare_trace"
)
TOOLS = {
    "cProfile": _any(
        _in_files(r"cProfile\.py|<[^\n]*cProfile>"),
        _named(r"profiler_callback|ptrace_(?:enter|leave)_call|_lsprof_\w+|(?:get|new)ProfilerEntry"),
        r"^(?:Profile\.)?trace_dispatch\w*\n(?:[^\n]*/)?profile\.py\n",
        _in_libraries("_lsprof"),
    ),
    "torch.profiler": _any(
        _in_files(r"torch/profiler/(?:profiler|_\w+)\.py"),
        rf"^(?:{_ASIDE})\n(?:[^\n]*/)?torch/autograd/profiler\.py\n",
        r"^(?:[^\n(]* )?torch::profiler::impl::(?:RecordQueue|ThreadLocalSubqueue|python_tracer)[^\n]*\n",
        r"^(?:[^\n(]* )?torch::autograd::profiler::(?:enable|disable|prepare)Profiler[^\n]*\n",
        r"^(?:[^\n(]* )?libkineto::(?:\w*Profiler|CuptiActivity|ChromeTraceLogger|GenericTraceActivity|CpuTraceBuffer)",
        _in_libraries(r"libcupti\.so"),
    ),
    "scalene": _any(_in_files(r"scalene/[^\n]*"), _in_libraries(r"libscalene\.so|pywhere|get_line_atomic")),
    "py-spy": _in_libraries(r"py-spy$"),
    "pyinstrument": _any(_in_files(r"pyinstrument/[^\n]*"), _in_libraries(r"stat_profile")),
    "yappi": _any(_in_files(r"yappi(?:/[^\n]*)?\.py"), _in_libraries(r"_yappi")),
    "viztracer": _any(_in_files(r"viztracer/[^\n]*"), _in_libraries(r"snaptrace")),
    "coverage": _any(_in_files(r"coverage/\w+\.py"), _named(r"CTracer_\w+")),
    "memray": _any(_in_files(r"memray/[^\n]*"), _in_libraries(r"_memray"), r"^(?:[^\n(]* )?memray::"),
    "line_profiler": _any(_in_files(r"line_profiler/[^\n]*|kernprof\.py"), _in_libraries(r"_line_profiler")),
    "memory_profiler": _in_files(r"memory_profiler\.py"),
    "tracemalloc": _any(
        _in_files(r"tracemalloc\.py"), _named(r"tracemalloc_(?:add_trace|alloc|\w*malloc|\w*realloc|\w*calloc)")
    ),
    "a debugger": _in_files(
        r"(?:_?pydevd\w*|debugpy)/[^\n]*|_?pydevd\w*\.py|(?:pdb|bdb)\.py|_pydevd_bundle/[^\n]*|_pydevd_frame_eval/[^\n]*"
    ),
    "sys.settrace": _named(r"(?:call|trace|profile)_trampoline|sys_(?:trace|profile)_\w+"),
    "gprof": _named(r"_*mcount(?:_internal)?|__monstartup|profil_counter\w*"),
    "gperftools": _any(_in_libraries(r"libprofiler\.so"), r"^(?:ProfileHandler|CpuProfiler)::"),
    "a sanitizer": _any(_named(r"__(?:asan|tsan|msan|ubsan|hwasan|sanitizer)_\w+|__interceptor_\w+")),
    "nsys": _in_libraries(r"libToolsInjection"),
    "valgrind": _in_libraries(r"vgpreload_"),
}  # fmt: skip
"""Functions of other tools, and those through which Python calls any tool that traces it, by the tool's name."""


def functions(records: pa.Table) -> tuple[Ints, pa.Array]:
    """Number the distinct functions.

    Args:
        records: of any tool.

    Returns:
        Function of each record, shape (rows,), and each one's text: `symbol`, `file` and `library`, one a line.
    """
    columns = [to_dictionary(records[name]) for name in ("symbol", "file", "library")]
    if all(len(values) == 0 for _, values in columns[1:]) or _is_of_kineto(records):
        # The symbol alone tells, and millions of rows need not be numbered again.
        code, symbols = columns[0]
        texts = pc.binary_join_element_wise(_with_none(symbols), "", "", "\n")
        return np.where(code < 0, len(symbols), code), pc.replace_substring_regex(texts, _KINETO_PYTHON, "\\2\n\\1")
    key = np.zeros(records.num_rows, np.int64)
    for code, values in columns:
        key = key * (len(values) + 1) + np.where(code < 0, len(values), code)
    distinct = integers(key).dictionary_encode()
    keys, function = distinct.dictionary.to_numpy().copy(), distinct.indices.to_numpy()
    parts = []
    for _, values in reversed(columns):
        parts.append(_with_none(values).take(integers(keys % (len(values) + 1))))
        keys //= len(values) + 1
    return function, pc.binary_join_element_wise(*reversed(parts), "\n")


def _is_of_kineto(records: pa.Table) -> bool:
    """Whether files stand in the symbols, too: only where there is a clock and an operator or a kernel."""
    timed = records["start_ns"].null_count < records.num_rows
    _, kinds = to_dictionary(records["kind"])
    return timed and not {"operator", "runtime", "kernel"}.isdisjoint(kinds.to_pylist())


def _with_none(values: pa.Array) -> pa.Array:
    """The values without line breaks, and after them the empty text for what is null."""
    texts = pc.replace_substring(values.cast(pa.string()), "\n", " ")
    return pa.concat_arrays([texts, pa.array([""], pa.string())])


def matching(texts: pa.Array, pattern: str) -> Flags:
    """Which of the functions a pattern is of, shape (functions,)."""
    return np.asarray(pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False), bool)


def tools(texts: pa.Array, own: str) -> tuple[Ints, list[str]]:
    """Which tool each function is of.

    Args:
        texts: of the functions.
        own: the tool that recorded this, which is no other one.

    Returns:
        Code of the tool of each function or -1, shape (functions,), and the tools' names.
    """
    code, names = np.full(len(texts), NONE, np.int32), list(TOOLS)
    recorder = {"torch": "torch.profiler", "callgrind": "valgrind"}.get(own, own)
    # Nearly all functions are of none: one look tells which are of any.
    suspects = np.flatnonzero(matching(texts, _any(*TOOLS.values())))
    few = texts.take(integers(suspects))
    for index in reversed(range(len(names))):
        if names[index] != recorder:
            code[suspects[matching(few, TOOLS[names[index]])]] = index
    return code, names
