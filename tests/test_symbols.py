"""Native symbols, against torch's own list of operators and against the symbols of real recordings."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from profkit import aten_names, schema
from profkit.importers.callgrind import CALLGRIND
from profkit.symbols import categories, category_of, operator_of, operators, qualified_name

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "own"

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the folder of real samples, ../shared/samples, is absent"
)


def test_every_aten_operator_of_torch_is_found_by_the_name_of_its_struct() -> None:
    """torchgen names the struct `<name>_<overload>`; the schemas say which part is the name."""
    torch = pytest.importorskip("torch")
    schemas = [each for each in torch._C._jit_get_all_schemas() if each.name.startswith("aten::")]
    assert len(schemas) > 3000
    found = {}
    for each in schemas:
        name = each.name.removeprefix("aten::")
        struct = f"{name}_{each.overload_name}" if each.overload_name else name
        found[struct] = (each.name, operator_of(f"at::_ops::{struct}::call(at::Tensor const&)"))
    assert {struct: names for struct, names in found.items() if names[0] != names[1]} == {}


def test_the_list_of_names_is_that_of_the_installed_torch() -> None:
    torch = pytest.importorskip("torch")
    if torch.__version__.split("+")[0] != aten_names.TORCH_VERSION:
        pytest.skip(f"the names are those of torch {aten_names.TORCH_VERSION}; run tests/make_aten_names.py")
    schemas = torch._C._jit_get_all_schemas()
    assert {each.name for each in schemas if each.name.startswith("aten::")} == {
        f"aten::{name}" for name in aten_names.NAMES
    }


@pytest.mark.parametrize(
    ("symbol", "operator"),
    [
        ("at::_ops::conv2d::call(at::Tensor const&, at::Tensor const&)", "aten::conv2d"),
        ("at::_ops::conv2d::call", "aten::conv2d"),
        ("at::_ops::conv2d::redispatch(c10::DispatchKeySet)'2", "aten::conv2d"),
        ("at::_ops::add__Tensor::call(at::Tensor&)", "aten::add_"),
        ("at::_ops::add_Tensor::call(at::Tensor&)", "aten::add"),
        ("at::_ops::sum_dim_IntList::call(at::Tensor&)", "aten::sum"),
        ("at::_ops::native_batch_norm_backward::redispatch(c10::Keys)", "aten::native_batch_norm_backward"),
        ("at::_ops::_foreach_add__Scalar::call(c10::ArrayRef<at::Tensor>)", "aten::_foreach_add_"),
        ("at::_ops::__iand___Tensor::call(at::Tensor&)", "aten::__iand__"),
        ("at::_ops::scatter_reduce::call(at::Tensor&)", "aten::scatter"),
        ("at::_ops::scatter_reduce_two::call(at::Tensor&)", "aten::scatter_reduce"),
        ("at::_ops::made_up_by_a_later_torch::call()", "aten::made_up_by_a_later_torch"),
        ("at::_ops::create_mul_out_typed_handle()", None),
        ("at::native::conv2d(at::Tensor const&)", None),
        ("std::function<at::_ops::conv2d::call>", None),
    ],
)  # fmt: skip
def test_entries_of_the_dispatcher_are_operators(symbol: str, operator: str | None) -> None:
    assert operator_of(symbol) == operator


CPU, PYTHON_BINDING, C10 = (f"/x/torch/lib/{name}.so" for name in ("libtorch_cpu", "libtorch_python", "libc10"))
LIBC, PYTHON = "/lib/libc.so.6", "/usr/lib/libpython3.11.so.1.0"


@pytest.mark.parametrize(
    ("symbol", "library", "category"),
    [
        ("_PyEval_EvalFrameDefault'2", PYTHON, "interpreter"),
        ("tupledealloc", PYTHON, "interpreter"),
        ("PyObject_Call", "/usr/bin/python3.11", "interpreter"),
        ("_contextvars_copy_context", "/usr/lib/lib-dynload/_contextvars.cpython-311-x86_64.so", "interpreter"),
        ("THPVariable_Wrap(at::TensorBase&&)", PYTHON_BINDING, "binding"),
        ("torch::PythonArgParser::raw_parse(_object*, _object*)", PYTHON_BINDING, "binding"),
        ("std::vector<at::Tensor>::~vector()", PYTHON_BINDING, "binding"),
        ("pybind11::cpp_function::dispatcher(_object*)", "/y/scope_ext.abi3.so", "binding"),
        ("at::_ops::conv2d::call(at::Tensor const&)", CPU, "dispatch"),
        ("c10::TensorImpl::~TensorImpl()", C10, "dispatch"),
        ("torch::autograd::VariableType::(anonymous namespace)::mul(at::Tensor const&)", CPU, "dispatch"),
        ("torch::autograd::Engine::evaluate_function(std::shared_ptr<torch::autograd::GraphTask>&)", CPU, "dispatch"),
        ("at::TensorIteratorBase::build(at::TensorIteratorConfig&)", CPU, "dispatch"),
        ("at::RecordFunction::end()", CPU, "dispatch"),
        ("std::vector<at::Tensor, std::allocator<at::Tensor> >::~vector()", CPU, "dispatch"),
        ("at::Tensor c10::Dispatcher::callSlowPath<at::Tensor>(c10::OperatorHandle const&)", CPU, "dispatch"),
        ("void at::native::(anonymous namespace)::max_pool<float>(at::Tensor) [clone .part.0]", CPU, "kernel"),
        ("std::_Function_handler<void (int), dnnl::conv_t::run()::{lambda(int)#1}>::_M_invoke(int)", CPU, "kernel"),
        ("void c10::function_ref<void (char**)>::callback_fn<at::native::AVX2::Loop2d<int> >(long)", CPU, "kernel"),
        ("dnnl_memory::dnnl_memory(dnnl_engine*)", CPU, "kernel"),
        ("mkl_blas_avx2_sgemm_kernel_0", CPU, "kernel"),
        ("0x000000001deb9000", None, "kernel"),
        ("???", None, "kernel"),
        ("exp", "/lib/libm.so.6", "kernel"),
        ("_int_free", LIBC, "memory"),
        ("malloc", "/usr/libexec/valgrind/vgpreload_core.so", "memory"),
        ("__memcpy_avx_unaligned_erms", LIBC, "memory"),
        ("unlink_chunk.constprop.0", LIBC, "memory"),
        ("operator new(unsigned long)", "/lib/libstdc++.so.6", "memory"),
        ("c10::alloc_cpu(unsigned long)", C10, "memory"),
        ("at::native::copy_(at::Tensor&, at::Tensor const&, bool)", CPU, "memory"),
        ("void c10::function_ref<void ()>::callback_fn<at::native::direct_copy_kernel()::{lambda()}>()", CPU, "memory"),
        ("fread", LIBC, "data"),
        ("_pickle_Unpickler_load", PYTHON, "data"),
        ("caffe2::serialize::PyTorchStreamReader::getRecord(std::string const&)", CPU, "data"),
        ("GOMP_parallel", "/lib/libgomp.so.1", "runtime"),
        ("pthread_mutex_lock@@GLIBC_2.2.5", LIBC, "runtime"),
        ("_dl_fixup", "/lib64/ld-linux-x86-64.so.2", "runtime"),
        ("0x0000000000001040", "/lib64/ld-linux-x86-64.so.2", "runtime"),
        ("cuLaunchKernel", "/lib/libcuda.so.1", "runtime"),
        ("main", "/home/me/train", "other"),
        ("__strlen_avx2", LIBC, "other"),
        (None, LIBC, "other"),
    ],
)  # fmt: skip
def test_self_cost_has_one_category(symbol: str | None, library: str | None, category: str) -> None:
    assert category_of(symbol, library) == category


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("main", "main"),
        ("operator delete(void*, unsigned long)", "operator delete"),
        ("std::vector<int> at::f<std::map<int, A<B> > >(void (*)(int))", "at::f"),
        ("bool std::operator< <char>(A<char> const&)", "std::operator"),
        ("A<(B)3>::g(int) const'2", "A::g"),
        ("decltype (auto) c10::visit<int>(int)", "decltype"),
        ("broken<", "broken<"),
    ],
)  # fmt: skip
def test_a_name_is_told_from_its_types(symbol: str, name: str) -> None:
    assert qualified_name(symbol) == name


@needs_samples
@pytest.mark.parametrize("sample", ["callgrind-libtorch-3-steps.out.gz", "callgrind-python-3-steps.out.gz"])
def test_less_than_one_percent_of_a_real_recording_is_other(sample: str) -> None:
    records = CALLGRIND.load(SAMPLES / sample).records
    found = categories(records["symbol"].combine_chunks(), records["library"].combine_chunks()).cast(pa.string())
    assert set(found.to_pylist()) <= set(schema.CATEGORIES)
    cost = records["self_instructions"].combine_chunks()
    other = pc.sum(cost.filter(pc.equal(found, "other"))).as_py()
    assert other < 0.01 * pc.sum(cost).as_py()


def test_columns_are_the_same_as_one_by_one() -> None:
    symbols = pa.array(["malloc", "at::_ops::mm::call()", None, "malloc", "tolower"]).dictionary_encode()
    libraries = pa.array([LIBC, CPU, None, None, PYTHON]).dictionary_encode()
    assert operators(symbols).to_pylist() == [None, "aten::mm", None, None, None]
    pairs = zip(symbols.to_pylist(), libraries.to_pylist(), strict=True)
    assert categories(symbols, libraries).to_pylist() == [category_of(*pair) for pair in pairs]
