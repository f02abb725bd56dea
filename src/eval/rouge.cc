#include "eval/rouge.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <unordered_map>

#include "data/unicode_text.h"
#include "eval/porter_stemmer.h"

namespace quiver {
namespace {

// The two characters outside ASCII whose lower case is, or begins with, a letter of a-z.
constexpr std::string_view kKelvinSign = "\xE2\x84\xAA";
constexpr std::string_view kCapitalDottedI = "\xC4\xB0";

// Decodes one character at the start of `text` and cuts it off; a broken byte gives U+FFFD.
std::int32_t take_character(std::string_view& text) {
  utf8proc_int32_t character = 0;
  const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &character);
  text.remove_prefix(length > 0 ? static_cast<std::size_t>(length) : 1);
  return length > 0 ? character : 0xFFFD;
}

bool is_ascii_punctuation(std::int32_t character) {
  return (character >= '!' && character <= '/') || (character >= ':' && character <= '@') ||
         (character >= '[' && character <= '`') || (character >= '{' && character <= '~');
}

std::vector<std::int32_t> normalized(std::string_view text) {
  constexpr std::int32_t kFinalSigma = 0x3C2;
  constexpr std::int32_t kSigma = 0x3C3;
  std::vector<std::int32_t> characters;
  while (!text.empty()) {
    std::int32_t character = utf8proc_tolower(take_character(text));
    // Python writes a sigma as final or not by where it stands; here both are one letter.
    if (character == kFinalSigma) character = kSigma;
    if (is_ascii_punctuation(character)) continue;
    if (is_space(static_cast<char32_t>(character))) character = ' ';
    if (character == ' ' && (characters.empty() || characters.back() == ' ')) continue;
    characters.push_back(character);
  }
  if (!characters.empty() && characters.back() == ' ') characters.pop_back();
  return characters;
}

// Numbers for words, so that the table below compares integers.
std::vector<std::int32_t> number_words(const std::vector<std::string>& words,
                                       std::unordered_map<std::string, std::int32_t>& numbers) {
  std::vector<std::int32_t> result;
  result.reserve(words.size());
  for (const std::string& word : words) {
    result.push_back(numbers.try_emplace(word, static_cast<std::int32_t>(numbers.size())).first->second);
  }
  return result;
}

std::size_t longest_common_subsequence(const std::vector<std::int32_t>& a,
                                       const std::vector<std::int32_t>& b) {
  std::vector<std::size_t> row(b.size() + 1, 0);  // lengths for the prefix of `a` seen so far
  for (const std::int32_t word : a) {
    std::size_t diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> rouge_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto finish_word = [&] {
    if (!word.empty()) words.push_back(word.size() > 3 ? porter_stem(word) : word);
    word.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      word += c;
    } else if (c >= 'A' && c <= 'Z') {
      word += static_cast<char>(c - 'A' + 'a');
    } else if (text.substr(i).starts_with(kKelvinSign)) {
      word += 'k';
      i += kKelvinSign.size() - 1;
    } else if (text.substr(i).starts_with(kCapitalDottedI)) {
      word += 'i';
      finish_word();  // its dot becomes a combining character, which no word holds
      i += kCapitalDottedI.size() - 1;
    } else {
      finish_word();
    }
  }
  finish_word();
  return words;
}

double rouge_l(std::string_view prediction, std::string_view reference) {
  std::unordered_map<std::string, std::int32_t> numbers;
  const std::vector<std::int32_t> predicted = number_words(rouge_words(prediction), numbers);
  const std::vector<std::int32_t> expected = number_words(rouge_words(reference), numbers);
  if (predicted.empty() || expected.empty()) return 0;
  const auto common = static_cast<double>(longest_common_subsequence(predicted, expected));
  const double precision = common / static_cast<double>(predicted.size());
  const double recall = common / static_cast<double>(expected.size());
  return common > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

double exact_match(std::string_view prediction, std::string_view reference) {
  return normalized(prediction) == normalized(reference) ? 1 : 0;
}

}  // namespace quiver
