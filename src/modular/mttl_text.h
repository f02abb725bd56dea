#pragma once

#include <string>
#include <string_view>

namespace quiver {

// What transformers 4's decode does with clean_up_tokenization_spaces: no space before . ? ! , and before
// n't 'm 's 've 're, none around a lone apostrophe.
std::string clean_up_spaces(std::string text);

// A continuation as mttl's GenerativeEvaluator cuts it out of the decoded `whole` (prompt and new tokens):
// what stands between the first and the second occurrence of the source text; where the source does not
// occur, for it was shortened or cleaned up, the decoded new tokens. Both texts are cleaned up first.
std::string mttl_continuation(std::string_view source, std::string whole, std::string added);

}  // namespace quiver
