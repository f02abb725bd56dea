#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "quiver/tokenizer.h"

namespace quiver::program {

// The texts of a prompt's first tokens, each with the name of its expert, "" for -1. A token that ends inside
// a character joins the next one, so that every text is whole. Requires as many experts as ids.
std::vector<std::pair<std::string, std::string>> token_marks(const Tokenizer& tokenizer,
                                                             std::span<const std::int32_t> ids,
                                                             std::span<const std::int32_t> experts,
                                                             std::span<const std::string> names);

}  // namespace quiver::program
