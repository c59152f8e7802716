#include "profkit/json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace profkit {
namespace {

void append_string(std::string& text, std::string_view value) {
    text += '"';
    for (const char character : value) {
        if (character == '"' || character == '\\') {
            text += '\\';
            text += character;
        } else if (static_cast<unsigned char>(character) < 0x20) {
            std::array<char, 8> escape{};
            std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(character));
            text += escape.data();
        } else {
            text += character;
        }
    }
    text += '"';
}

void append_number(std::string& text, double value) {
    if (!std::isfinite(value)) {
        text += std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
        return;
    }
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    const std::string_view shortest(digits.data(), static_cast<std::size_t>(end - digits.data()));
    text += shortest;
    // A whole number keeps its point: readers with types tell 2.0 from 2.
    if (shortest.find_first_of(".e") == std::string_view::npos) {
        text += ".0";
    }
}

template <typename... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};

}  // namespace

std::string Json::text() const {
    std::string text;
    append_to(text);
    return text;
}

void Json::append_to(std::string& text) const {
    const auto append_all = [&text](const auto& values, char open, char close, const auto& append_one) {
        text += open;
        const char* separator = "";
        for (const auto& value : values) {
            text += separator;
            append_one(value);
            separator = ", ";
        }
        text += close;
    };
    std::visit(Overloaded{
                   [&](std::nullptr_t) { text += "null"; },
                   [&](std::int64_t value) { text += std::to_string(value); },
                   [&](double value) { append_number(text, value); },
                   [&](const std::string& value) { append_string(text, value); },
                   [&](const Text& value) { text += value.text; },
                   [&](const Array& values) {
                       append_all(values, '[', ']', [&](const Json& value) { value.append_to(text); });
                   },
                   [&](const Object& members) {
                       append_all(members, '{', '}', [&](const auto& member) {
                           append_string(text, member.first);
                           text += ": ";
                           member.second.append_to(text);
                       });
                   },
               },
               value_);
}

}  // namespace profkit
