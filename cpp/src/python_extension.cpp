/// Python module `profkit_callgrind`: the scopes of `callgrind.h` for programs written in Python.
///
/// The plain limited API, since what a call costs here is counted with the program.

#include <Python.h>

#include <array>
#include <exception>
#include <optional>

#include "profkit/callgrind.h"

namespace {

std::optional<profkit::CallgrindScopes> scopes;

/// Runs `action`, which C++ may fail in, for Python.
template <typename Action>
PyObject* for_python(bool needs_region, Action action) {
    if (needs_region && !scopes) {
        PyErr_SetString(PyExc_RuntimeError, "no region: call start() first");
        return nullptr;
    }
    try {
        action();
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
        return nullptr;
    }
    Py_RETURN_NONE;
}

PyObject* start(PyObject*, PyObject*) {
    return for_python(false, [] { scopes.emplace(); });
}

PyObject* stop(PyObject*, PyObject*) {
    return for_python(true, [] { scopes.reset(); });
}

PyObject* enter(PyObject*, PyObject* name) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == nullptr) {
        return nullptr;
    }
    return for_python(true, [=] { scopes->enter({text, static_cast<std::size_t>(size)}); });
}

PyObject* leave(PyObject*, PyObject*) {
    return for_python(true, [] { scopes->leave(); });
}

std::array methods{
    PyMethodDef{"start", start, METH_NOARGS, "Start counting: the region begins."},
    PyMethodDef{"stop", stop, METH_NOARGS, "Stop counting: the region ends."},
    PyMethodDef{"enter", enter, METH_O, "Enter the scope of this name."},
    PyMethodDef{"leave", leave, METH_NOARGS, "Leave the innermost scope."},
    PyMethodDef{nullptr, nullptr, 0, nullptr},
};

PyModuleDef module_definition{
    PyModuleDef_HEAD_INIT,
    "profkit_callgrind",
    "Scopes as labelled Callgrind dumps.",
    -1,
    methods.data(),
    nullptr,
    nullptr,
    nullptr,
    nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit_profkit_callgrind() { return PyModule_Create(&module_definition); }
