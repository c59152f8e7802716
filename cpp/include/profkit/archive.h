#pragma once

#include <ATen/core/Dict.h>
#include <ATen/core/ivalue.h>

#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "profkit/named_tensors.h"

namespace profkit {

using Dict = c10::Dict<c10::IValue, c10::IValue>;

/// What `torch.save` of a dict of plain values and tensors wrote.
///
/// @param what it should be, for the error: "bundle".
/// @throws std::runtime_error the file cannot be read, or is no such archive.
Dict read_archive(const std::filesystem::path& path, const std::string& what);

/// The bytes of an archive that `torch.load(path, weights_only=True)` and `read_archive` read.
std::string archive(const c10::IValue& value);

/// A dict of text to tensors, as an archive holds it.
Dict to_dict(const NamedTensors& tensors);

/// The error that every reader throws: `cannot read <path>: <reason>`.
std::runtime_error unreadable(const std::filesystem::path& path, const std::string& reason);

/// A dict of text to numbers or tensors as a map.
template <typename Value>
std::map<std::string, Value> to_map(const Dict& dict) {
    std::map<std::string, Value> values;
    for (const auto& entry : dict) {
        if constexpr (std::is_arithmetic_v<Value>) {
            values.emplace(entry.key().toStringRef(), entry.value().toScalar().to<Value>());
        } else {
            values.emplace(entry.key().toStringRef(), entry.value().to<Value>());
        }
    }
    return values;
}

}  // namespace profkit
