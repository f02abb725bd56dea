#pragma once

#include <string>
#include <string_view>

namespace quiver {

// The stem of a lower-case word of [a-z0-9]: M. F. Porter, "An algorithm for suffix stripping", Program 14.3
// (1980), with the changes of NLTK's PorterStemmer in its default mode NLTK_EXTENSIONS, so that Rouge matches
// rouge_score to the digit. Words of one or two letters stay. Thread-safe.
std::string porter_stem(std::string_view word);

}  // namespace quiver
