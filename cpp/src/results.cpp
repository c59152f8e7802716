#include "profkit/results.h"

#include <ATen/Functions.h>

#include "profkit/archive.h"
#include "profkit/files.h"

namespace profkit {

void write_results(const std::filesystem::path& path, const Results& results) {
    Dict dict(c10::StringType::get(), c10::AnyType::get());
    dict.insert("output", results.output.cpu().contiguous());
    dict.insert("losses", at::tensor(results.losses, at::kDouble));
    dict.insert("weights", to_dict(results.weights));
    if (results.reconstruction.defined()) {
        dict.insert("reconstruction", results.reconstruction.cpu().contiguous());
    }
    write_file(path, archive(dict));
}

}  // namespace profkit
