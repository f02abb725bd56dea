#include "eval/porter_stemmer.h"

#include <span>
#include <utility>
#include <vector>

namespace quiver {
namespace {

constexpr std::pair<std::string_view, std::string_view> kIrregularForms[] = {
    {"sky", "sky"},        {"skies", "sky"},       {"dying", "die"},       {"lying", "lie"},
    {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},  {"inning", "inning"},
    {"outings", "outing"}, {"outing", "outing"},   {"canning", "canning"}, {"cannings", "canning"},
    {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},   {"succeed", "succeed"}};

// For every letter, whether it is a consonant: not a, e, i, o, u, and y only where no consonant precedes it.
std::vector<bool> consonants(std::string_view word) {
  std::vector<bool> flags(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    const bool vowel = std::string_view("aeiou").find(word[i]) != std::string_view::npos;
    flags[i] = word[i] == 'y' ? i == 0 || !flags[i - 1] : !vowel;
  }
  return flags;
}

// Porter's m: the number of vowel-consonant borders.
int measure(std::string_view stem) {
  const std::vector<bool> flags = consonants(stem);
  int count = 0;
  for (std::size_t i = 1; i < flags.size(); ++i) count += flags[i] && !flags[i - 1];
  return count;
}

bool contains_vowel(std::string_view stem) {
  for (const bool consonant : consonants(stem)) {
    if (!consonant) return true;
  }
  return false;
}

bool ends_in_consonant(std::string_view word) { return !word.empty() && consonants(word).back(); }

// Porter's *d.
bool ends_in_double_consonant(std::string_view word) {
  return word.size() >= 2 && word.back() == word[word.size() - 2] && ends_in_consonant(word);
}

// Porter's *o: consonant, vowel, consonant other than w, x, y. NLTK adds two-letter vowel-consonant stems.
bool ends_in_short_syllable(std::string_view word) {
  const std::size_t n = word.size();
  const std::vector<bool> flags = consonants(word);
  if (n == 2) return !flags[0] && flags[1];
  return n >= 3 && flags[n - 3] && !flags[n - 2] && flags[n - 1] && word.back() != 'w' &&
         word.back() != 'x' && word.back() != 'y';
}

std::string_view without_last(std::string_view word, std::size_t count) {
  return word.substr(0, word.size() - count);
}

struct Rule {
  std::string_view suffix;
  std::string_view replacement;
};

// The first rule whose suffix fits is the only one tried: it applies when its stem's measure exceeds
// `least_measure`.
std::string apply_first(std::string_view word, std::span<const Rule> rules, int least_measure) {
  for (const auto& [suffix, replacement] : rules) {
    if (!word.ends_with(suffix)) continue;
    const std::string_view stem = without_last(word, suffix.size());
    return measure(stem) > least_measure ? std::string(stem) + std::string(replacement) : std::string(word);
  }
  return std::string(word);
}

std::string plural(std::string_view word) {  // step 1a
  if (word.ends_with("ies")) return std::string(without_last(word, word.size() == 4 ? 1 : 2));
  if (word.ends_with("sses")) return std::string(without_last(word, 2));
  if (word.ends_with("s") && !word.ends_with("ss")) return std::string(without_last(word, 1));
  return std::string(word);
}

std::string past_and_participle(std::string_view word) {  // step 1b
  if (word.ends_with("ied")) return std::string(without_last(word, word.size() == 4 ? 1 : 2));
  if (word.ends_with("eed")) {
    return std::string(measure(without_last(word, 3)) > 0 ? without_last(word, 1) : word);
  }
  const std::size_t suffix = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
  if (suffix == 0 || !contains_vowel(without_last(word, suffix))) return std::string(word);

  const std::string stem(without_last(word, suffix));
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) return stem + "e";
  if (ends_in_double_consonant(stem)) {
    const bool keeps_both = stem.back() == 'l' || stem.back() == 's' || stem.back() == 'z';
    return keeps_both ? stem : stem.substr(0, stem.size() - 1);
  }
  return measure(stem) == 1 && ends_in_short_syllable(stem) ? stem + "e" : stem;
}

std::string final_y(std::string_view word) {  // step 1c
  if (!word.ends_with("y")) return std::string(word);
  const std::string_view stem = without_last(word, 1);
  return stem.size() > 1 && ends_in_consonant(stem) ? std::string(stem) + "i" : std::string(word);
}

std::string double_suffix(std::string_view word) {  // step 2
  // NLTK takes this rule before all others, and its result through the step once more.
  if (word.ends_with("alli") && measure(without_last(word, 4)) > 0)
    return double_suffix(without_last(word, 2));
  // NLTK counts the l of -logi to the stem, so that "geologi" has one.
  if (word.ends_with("logi")) {
    return std::string(measure(without_last(word, 3)) > 0 ? without_last(word, 1) : word);
  }
  static constexpr Rule kRules[] = {
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
      {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
      {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
      {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
      {"fulli", "ful"}};
  return apply_first(word, kRules, 0);
}

std::string adjective_suffix(std::string_view word) {  // step 3
  static constexpr Rule kRules[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                                    {"ical", "ic"},  {"ful", ""},   {"ness", ""}};
  return apply_first(word, kRules, 0);
}

std::string last_suffix(std::string_view word) {  // step 4
  if (word.ends_with("ion")) {
    const std::string_view stem = without_last(word, 3);
    const bool removed = measure(stem) > 1 && (stem.back() == 's' || stem.back() == 't');
    return std::string(removed ? stem : word);
  }
  static constexpr Rule kRules[] = {{"al", ""},   {"ance", ""}, {"ence", ""}, {"er", ""},    {"ic", ""},
                                    {"able", ""}, {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""},
                                    {"ent", ""},  {"ou", ""},   {"ism", ""},  {"ate", ""},   {"iti", ""},
                                    {"ous", ""},  {"ive", ""},  {"ize", ""}};
  return apply_first(word, kRules, 1);
}

std::string final_e(std::string_view word) {  // step 5a
  if (!word.ends_with("e")) return std::string(word);
  const std::string_view stem = without_last(word, 1);
  const int stem_measure = measure(stem);
  const bool removed = stem_measure > 1 || (stem_measure == 1 && !ends_in_short_syllable(stem));
  return std::string(removed ? stem : word);
}

std::string final_double_l(std::string_view word) {  // step 5b
  const bool removed = word.ends_with("ll") && measure(without_last(word, 1)) > 1;
  return std::string(removed ? without_last(word, 1) : word);
}

}  // namespace

std::string porter_stem(std::string_view word) {
  for (const auto& [form, stem] : kIrregularForms) {
    if (word == form) return std::string(stem);
  }
  if (word.size() <= 2) return std::string(word);
  const std::string inflected = final_y(past_and_participle(plural(word)));
  return final_double_l(final_e(last_suffix(adjective_suffix(double_suffix(inflected)))));
}

}  // namespace quiver
