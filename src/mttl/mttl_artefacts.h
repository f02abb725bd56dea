#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "quiver/library.h"

namespace quiver {

// What an artefact's settings say when its numbers came from mttl: `imported_from`, and mttl's own settings
// as `config`. Such an artefact is never the one that Quiver would compute, so that computing it replaces it.
Json imported_settings(const Json& config);

// The artefacts of one expert among the `<expert>.<data type>.bin` files of an mttl library: Arrow's vectors
// (`arrowconfig-*_protos`, else `_vectors`) and PhatGOOSE's gates (`phatgooseconfig-*`); later versions say
// `transformconfig`. Every module of the expert needs one. Embeddings, scores and other data go to
// `left_out`, what is broken to `problems`.
std::map<std::string, Artefact> read_mttl_artefacts(const std::vector<std::filesystem::path>& files,
                                                    const Expert& expert, std::vector<std::string>& left_out,
                                                    std::vector<std::string>& problems);

// Throws Error(kCorruptFile) unless every module of the expert has a vector (in) of its input's width and
// nothing else has one. `where` goes into messages.
void check_vectors(const std::map<std::string, at::Tensor>& vectors, const Expert& expert,
                   const std::string& where);

}  // namespace quiver
