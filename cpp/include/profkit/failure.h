#pragma once

#include <stdexcept>

namespace profkit {

/// A network, a device or a choice that this program cannot do.
class Unsupported : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The loss is no number any more.
class NotFinite : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace profkit
