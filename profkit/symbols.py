"""Native symbols: which canonical operator one is the entry of, and on what its self cost is spent."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profkit.aten_names import NAMES
from profkit.schema import CATEGORIES

_Ints = np.ndarray[Any, np.dtype[np.int64]]

_ENTRY = re.compile(r"at::_ops::(\w+)::(?:call|redispatch)\b")
_SHARED_STRUCTS = {"scatter_reduce": "scatter", "scatter_reduce_out": "scatter"}
"""Structs whose name begins with the name of another operator: these are of the overloads `scatter.reduce[_out]`."""

_CODES = {category: code for code, category in enumerate(CATEGORIES)}
_AT_ONCE = 1 << 12
"""Symbols that a thread takes apart at one time."""
_THREADS = 2

_ANGLE_OPERATOR = re.compile(r"\boperator(?:<=>|<<=|>>=|<<|>>|<=|>=|->\*|->|<|>)")
_DEEPEST = 12
_ARGUMENTS = reduce(lambda inner, _: rf"<[^<>]*+(?:{inner}[^<>]*+)*+>", range(_DEEPEST), "<[^<>]*+>")
"""Template arguments, nested; possessive, so that the search never looks back."""
_TEMPLATE = re.compile(_ARGUMENTS)
_WORD = rf"[^<>( ]*+(?:{_ARGUMENTS}[^<>( ]*+)*+"
_FUNCTION = re.compile(rf"(?:(?!operator){_WORD} +)*+({_WORD})\(")
"""Return type, if any, and name of a demangled function up to its parameters."""

_SUFFIX = re.compile(r"(?: \[clone|@|\.(?:constprop|isra|part|cold|lto_priv)\b|'\d+\Z).*")
_ALLOCATION = (
    r"(?:__libc_|__GI_+|_int_|_mid_|je_|mi_|tc_)?(?:malloc|free|calloc|realloc|memalign)"
    r"|posix_memalign|aligned_alloc|malloc_consolidate|unlink_chunk|sysmalloc\w*|systrim|tcache_\w+|checked_request\w*"
    r"|arena_get\w*|_int_free\w*|s?brk|__default_morecore|mmap(?:64)?|munmap|mremap|madvise|operator (?:new|delete).*"
    r"|_*(?:mempcpy|memcpy|memmove|memset)(?:_\w+)?"
    r"|dnnl::impl::(?:malloc|free)"
)
_ALLOCATOR = (
    r"c10::(?:\w*alloc_cpu|free_cpu|\w*CPUAllocator\w*|\w*Allocator|SetAllocator|GetAllocator|ProfiledCPUMemoryReporter"
    r"|memset_junk|NUMA\w+|CachingAllocator\w*|DataPtr|UniqueVoidPtr|detail::UniqueVoidPtr|reportMemoryUsage\w*)(?:::.*)?"
)
_COPY = (
    r"at::native::(?:\w+::|\{anonymous\}::)*(?:copy_?|\w*copy_(?:kernel|impl|transpose\w*|stub|same\w*)\w*)(?:::.*)?"
)
_BY_NAME = re.compile(
    rf"(?P<memory>{_ALLOCATION}|{_ALLOCATOR}|{_COPY})"
    r"|(?P<data>(?:torch::data|caffe2::serialize|torch::jit::(?:Unp|P)ickler|torch::jit::\w*pickle\w*)(?:::.*)?|mz_\w+"
    r"|_?(?:Unpickler|Pickler|pickle)_\w+|_io_\w+|_bufferedreader_\w+"
    r"|(?:__libc_|__)?(?:p?read|p?readv|open|openat|close|lseek|fread|fopen|fclose|fgets|fseek|stat|fstat)(?:64)?"
    r"|_IO_(?:new_)?(?:file_(?:read|open|close|close_it|fopen|underflow|xsgetn|seek\w*)|getline\w*|sgetn|un_link))"
    r"|(?P<binding>THP\w*|pybind11::.*|torch::(?:Python|autograd::(?:THP|Py)|utils::|jit::.*[Pp]ython).*)"
    r"|(?P<interpreter>_?Py[A-Z_]\w*)"
    r"|(?P<kernel>(?:at::native|at::vec|dnnl\w*|ideep|fbgemm|Xbyak|asmjit|onednn|zendnn)(?:::.*)?|mkl_\w+|MKL_\w+"
    r"|Sleef_\w+|cblas_\w+|x?[sdcz](?:gemm|gemv|axpy|dot|scal|trsm|ger|copy)\w*_?|(?:pytorch_)?[qx]nn?p\w*|nnp_\w+|jit_\w+)"
    r"|(?P<dispatch>(?:c10|at|torch|caffe2|libkineto|ska|moodycamel)::.*)"
    r"|(?P<runtime>GOMP_\w+|gomp_\w+|omp_\w+|__?kmp\w*|pthread_\w+|__pthread_\w+|__?dl_?\w+|__tls_get_\w+|__cxa_\w+"
    r"|_Unwind_\w+|_?futex\w*|_*lll_\w+|__GI___lll\w*|sched_\w+|syscall|clock_gettime\w*|gettimeofday|nanosleep"
    r"|cu[A-Z]\w+|cuda\w+)"
)
"""The category of a qualified name; what stands first wins."""

_BY_LIBRARY = (
    ("binding", re.compile(r"libtorch_python|/torch/_C\.")),
    ("data", re.compile(r"/_pickle\.|/zlib\.|libz\.so|libpng|libjpeg|/torchvision/")),
    ("interpreter", re.compile(r"libpython|/python[\d.]*\Z|/lib-dynload/")),
    ("runtime", re.compile(r"libgomp|libi?omp\d?\.|libpthread|/ld-|libdl|libgcc_s|libcuda|libcupti|\[vdso\]|librt\.")),
    ("kernel", re.compile(r"libmkl|lib(?:open)?blas|libdnnl|libm[.-]|libmvec|libcublas|libcudnn|libnnpack|libfbgemm")),
    ("dispatch", re.compile(r"libc10")),
    ("binding", re.compile(r"\.(?:cpython-[^/]*|abi3)\.so")),
)
_NAMELESS = re.compile(r"\A(?:0x[0-9a-fA-F]|\?\?\?|\(below main\))")
_KERNEL_WITHIN = re.compile(r"at::native::|dnnl::|ideep::|fbgemm::|at::vec")
_COPY_WITHIN = re.compile(r"\b(?:direct_copy_kernel|copy_kernel|reduced_float_copy_kernel|copy_transpose_valid)\b")
_WRAPPER = re.compile(r"(?:std|c10|at::internal|at::parallel_\w+|__gnu_cxx|__cxxabiv1|void|decltype)\b")
_FRAMEWORK_WITHIN = re.compile(r"c10::|at::|torch::|caffe2::")
_WITHIN = {1: _NAMELESS, 2: _KERNEL_WITHIN, 4: _COPY_WITHIN, 8: _FRAMEWORK_WITHIN}
"""What is looked for in the whole symbol, by its bit; Arrow's expressions read these patterns the same."""
_IS_NAMELESS, _HAS_KERNEL, _HAS_COPY, _HAS_FRAMEWORK = _WITHIN

_ALL_TRAITS = 16
_ALL_ARGUMENTS = _ARGUMENTS.replace("*+", "*")
"""The same for Arrow, whose search never looks back in any case."""
_UNUSUAL = r"[<>\n]|operator[- ]|(?:^| )operator|^$| $"
"""What an operator's name may do before the parameters, brackets that are no pairs, and no name at all."""


def operator_of(symbol: str) -> str | None:
    """The canonical operator that a native function is an entry of, or None.

    The dispatcher's entries are generated, one struct an overload: `at::_ops::<name>_<overload>`. Operator names hold
    underscores too, so the name is the longest known one that the struct name begins with.

    >>> operator_of("at::_ops::add__Tensor::call(at::Tensor&, at::Tensor const&, c10::Scalar const&)'2")
    'aten::add_'
    >>> operator_of("at::_ops::sum_dim_IntList::redispatch")
    'aten::sum'
    >>> operator_of("at::native::add")
    """
    match = _ENTRY.match(symbol)
    return f"aten::{_name_of_struct(match[1])}" if match else None


def _name_of_struct(struct: str) -> str:
    if struct in _SHARED_STRUCTS:
        return _SHARED_STRUCTS[struct]
    end = len(struct)
    while end > 0:
        if struct[:end] in NAMES:
            return struct[:end]
        end = struct.rfind("_", 0, end)
    return struct


def qualified_name(symbol: str) -> str:
    """A demangled symbol without return type, template arguments, parameters and compiler suffixes.

    >>> qualified_name("void at::native::(anonymous namespace)::cpu_max_pool<float>(at::Tensor) [clone .part.0]")
    'at::native::{anonymous}::cpu_max_pool'
    >>> qualified_name("c10::List<at::Tensor>::operator->() const'2")
    'c10::List::operator'
    """
    text = symbol.replace("(anonymous namespace)", "{anonymous}")
    if "operator" in text:
        text = _ANGLE_OPERATOR.sub("operator", text)
    match = _FUNCTION.match(text)
    if match and (name := _without_templates(match[1])):
        return name
    head = _SUFFIX.sub("", _without_templates(text).split("(", 1)[0]).strip()
    if "operator " in head:
        return head[head.index("operator ") :]
    return head.rsplit(" ", 1)[-1]


def _without_templates(text: str) -> str:
    before = ""
    while "<" in text and before != text:
        before, text = text, _TEMPLATE.sub("", text)
    return text


def category_of(symbol: str | None, library: str | None) -> str:
    """On what a function's self cost is spent: one of `schema.CATEGORIES`.

    Code without a name outside every library was made at run time: by oneDNN's or MKL's JIT, so it is a kernel. What a
    helper template of the standard library or of c10 does is told by what it is instantiated with, else by its library.

    >>> category_of("at::_ops::conv2d::call(at::Tensor const&)", "/x/libtorch_cpu.so")
    'dispatch'
    >>> category_of("malloc", "/usr/lib/libc.so.6")
    'memory'
    """
    if symbol is None:
        return "other"
    traits = sum(bit for bit, pattern in _WITHIN.items() if pattern.search(symbol))
    return _category(qualified_name(symbol), traits, library)


def _category(name: str, traits: int, library: str | None) -> str:
    """The category of all symbols of one qualified name that have the same `_WITHIN`."""
    by_library = _of_library(library)
    if traits & _IS_NAMELESS:
        return (by_library or "other") if library else "kernel"
    match = _BY_NAME.fullmatch(name)
    by_name = match.lastgroup if match else None
    if traits & _HAS_KERNEL and by_name in (None, "dispatch") and _WRAPPER.match(name):
        return "memory" if traits & _HAS_COPY else "kernel"
    if by_library and by_library != "dispatch" and by_name not in ("memory", "data"):
        return by_library
    if by_name or by_library:
        return by_name or by_library or "other"
    return "dispatch" if "libtorch" in (library or "") or traits & _HAS_FRAMEWORK else "other"


@lru_cache(maxsize=4096)
def _of_library(library: str | None) -> str | None:
    return next((category for category, libraries in _BY_LIBRARY if libraries.search(library or "")), None)


def operators(symbols: pa.Array) -> pa.DictionaryArray:
    """The operator of each symbol, null for most; each distinct symbol is looked at once.

    Args:
        symbols: dictionary-encoded, shape (rows,).
    """
    entries = pc.starts_with(symbols.dictionary, "at::_ops::")
    texts = symbols.dictionary.filter(entries).to_pylist()
    found = pa.array([operator_of(text) for text in texts], pa.string()).dictionary_encode()
    codes = pc.replace_with_mask(pa.nulls(len(entries), pa.int32()), entries, found.indices)
    return pa.DictionaryArray.from_arrays(codes.take(symbols.indices), found.dictionary)


def categories(symbols: pa.Array, libraries: pa.Array) -> pa.DictionaryArray:
    """The category of each row; each distinct symbol is taken apart once.

    Args:
        symbols: dictionary-encoded, shape (rows,).
        libraries: dictionary-encoded, shape (rows,).
    """
    kind, names, traits = _kinds(symbols.dictionary)
    width = len(libraries.dictionary) + 1
    library_texts = [*libraries.dictionary.to_pylist(), None]
    library = libraries.indices.fill_null(width - 1).to_numpy()
    symbol = symbols.indices.fill_null(len(kind)).to_numpy()
    pairs = pa.array(np.append(kind, len(names))[symbol] * width + library).dictionary_encode()
    codes = [
        _CODES[_category(names[pair // width], traits[pair // width], library_texts[pair % width])]
        if pair // width < len(names)
        else _CODES["other"]
        for pair in pairs.dictionary.to_pylist()
    ]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()).take(pairs.indices), pa.array(CATEGORIES))


def _kinds(symbols: pa.Array) -> tuple[_Ints, list[str], list[int]]:
    """Sort symbols into those of one qualified name and the same traits: there are far fewer, as templates abound.

    Args:
        symbols: strings, shape (symbols,).

    Returns:
        The kind of each symbol, shape (symbols,); the qualified name of each kind, and the bits of what is within.
    """
    pieces = [symbols.slice(begin, _AT_ONCE) for begin in range(0, len(symbols), _AT_ONCE)]
    with ThreadPoolExecutor(_THREADS) as pool:  # Arrow works without the interpreter's lock
        found = list(pool.map(lambda piece: (qualified_names(piece), _traits(piece)), pieces))
    names = pa.chunked_array([name for name, _ in found], pa.string()).combine_chunks().dictionary_encode()
    traits = np.concatenate([np.zeros(0, np.int64), *(traits for _, traits in found)])
    kinds = pa.array(names.indices.to_numpy() * np.int64(_ALL_TRAITS) + traits).dictionary_encode()
    each = kinds.dictionary.to_numpy()
    texts = names.dictionary.take(pa.array(each // _ALL_TRAITS)).to_pylist()
    return kinds.indices.to_numpy().astype(np.int64), texts, (each % _ALL_TRAITS).tolist()


def _traits(symbols: pa.Array) -> _Ints:
    traits = np.zeros(len(symbols), np.int64)
    for bit, pattern in _WITHIN.items():
        traits += bit * pc.match_substring_regex(symbols, pattern.pattern).to_numpy(zero_copy_only=False)
    return traits


def qualified_names(symbols: pa.Array) -> pa.Array:
    """The `qualified_name` of each symbol: what is usual by Arrow, the rest one by one.

    Args:
        symbols: strings, shape (symbols,).
    """
    text = pc.replace_substring_regex(symbols, _ALL_ARGUMENTS, "")
    text = pc.replace_substring(text, "(anonymous namespace)", "{anonymous}")
    before = pc.replace_substring_regex(text, r"(?s)\(.*", "")
    has_parameters = pc.not_equal(pc.binary_length(before), pc.binary_length(text))
    plain = pc.ascii_trim_whitespace(pc.replace_substring_regex(before, _SUFFIX.pattern.replace(r"\Z", "$"), ""))
    head = pc.if_else(has_parameters, before, plain)
    unusual = pc.or_(pc.match_substring_regex(before, _UNUSUAL), pc.invert(pc.string_is_ascii(symbols)))
    names = pc.replace_substring_regex(head, "^.* ", "")
    slow = [qualified_name(symbol) for symbol in symbols.filter(unusual).to_pylist()]
    return pc.replace_with_mask(names, unusual, pa.array(slow, pa.string()))
