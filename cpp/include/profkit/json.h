#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace profkit {

/// A JSON value that can be written. Members keep their order, so equal reports are equal bytes.
class Json {
public:
    using Array = std::vector<Json>;
    using Object = std::vector<std::pair<std::string, Json>>;

    /// What is JSON already.
    struct Text {
        std::string text;
    };

    Json(std::nullptr_t) : value_(nullptr) {}
    Json(std::int64_t value) : value_(value) {}
    Json(double value) : value_(value) {}
    Json(std::string value) : value_(std::move(value)) {}
    Json(const char* value) : value_(std::string(value)) {}
    Json(Array value) : value_(std::move(value)) {}
    Json(Object value) : value_(std::move(value)) {}
    Json(Text value) : value_(std::move(value)) {}

    template <typename Value>
    Json(const std::vector<Value>& values) : value_(Array(values.begin(), values.end())) {}

    /// Null where there is no value.
    template <typename Value>
    Json(const std::optional<Value>& value) : Json(value ? Json(*value) : Json(nullptr)) {}

    /// The text. Numbers are the shortest that read back equal; a number that is none is written as Python writes it.
    std::string text() const;

private:
    void append_to(std::string& text) const;

    std::variant<std::nullptr_t, std::int64_t, double, std::string, Array, Object, Text> value_;
};

}  // namespace profkit
