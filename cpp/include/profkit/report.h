#pragma once

#include "profkit/json.h"
#include "profkit/trainer.h"

namespace profkit {

/// What the run has to say of itself, with the keys of the Python report.
Json report(const Trainer& trainer, const Training& training);

}  // namespace profkit
