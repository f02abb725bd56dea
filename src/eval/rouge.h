#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quiver {

// Words of a text as rouge_score 0.1.2 finds them with use_stemmer=True: lower case, runs of [a-z0-9], those
// of more than three letters stemmed. Accented letters separate words. Thread-safe.
std::vector<std::string> rouge_words(std::string_view text);

// Rouge-L, F measure with beta 1, in 0..1: with L the length of the longest common subsequence of the words,
// P = L / |prediction|, R = L / |reference|, F = 2PR / (P + R); 0 where either has no words. C.-Y. Lin,
// "ROUGE" (2004), section 3; equal to rouge_score and torchmetrics to the last digit. Time |prediction| x
// |reference|, memory |reference|. Thread-safe.
double rouge_l(std::string_view prediction, std::string_view reference);

// 1 when the texts agree after lower-casing, without ASCII punctuation and with white space made single, else
// 0, as mttl counts it. Thread-safe.
double exact_match(std::string_view prediction, std::string_view reference);

}  // namespace quiver
