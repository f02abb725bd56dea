#include <algorithm>
#include <iterator>

#include "text/byte_pair_model.h"
#include "text/gguf_vocabulary.h"
#include "text/oniguruma_pattern.h"
#include "text/unicode_form.h"

namespace quiver {
namespace {

SplitStep isolate(std::string_view pattern) {
  return {.pattern = oniguruma_regex(pattern, kGgufVocabularyName)};
}

TracedText composed(TracedText text) { return in_form(NormalizationForm::kNfc, std::move(text)); }

// Each `pre` stands for the normalizer, pre-tokenizer and ignore_merges that the tokenizer.json of the model
// family it was named after has.
struct PreKind {
  std::vector<Rewrite> normalizer = {};
  PreTokenizer::Options pre_tokenizer;
  bool ignore_merges = false;
};

PreKind pre_kind(const std::string& pre) {
  if (pre == "gpt-2" || pre == "phi-2") return {.pre_tokenizer = {.words = isolate(kGpt2Pattern)}};
  if (pre == "smollm")
    return {.pre_tokenizer = {.splits = {isolate("\\p{N}")}, .words = isolate(kGpt2Pattern)}};
  if (pre == "llama-bpe")
    return {.pre_tokenizer = {.splits = {isolate(kLlama3Pattern)}}, .ignore_merges = true};
  if (pre == "qwen2")
    return {.normalizer = {composed}, .pre_tokenizer = {.splits = {isolate(kQwen2Pattern)}}};
  throw Error(
      ErrorKind::kUnsupported,
      std::string(kGgufVocabularyName) + ": pre-tokenizer '" + pre.substr(0, 100) + "' is not supported",
      "known: gpt-2, phi-2, smollm, llama-bpe, qwen2");
}

}  // namespace

std::unique_ptr<TokenizerParts> byte_pair_parts(const GgufVocabulary& source, Vocabulary vocabulary) {
  PreKind kind = pre_kind(source.pre);
  std::vector<MergeRule> rules;
  rules.reserve(source.merges.size());
  for (const std::string& line : source.merges) rules.push_back(parse_merge(line, kGgufVocabularyName));
  BytePairModel::Options options{.merges = MergeTable::from_rules(rules, vocabulary, kGgufVocabularyName),
                                 .ignore_merges = kind.ignore_merges};
  auto model = std::make_unique<const BytePairModel>(vocabulary, std::move(options), kGgufVocabularyName);
  std::vector<AddedToken> added = gguf_tokens_of_type(source, kGgufControl);
  std::ranges::move(gguf_tokens_of_type(source, kGgufUserDefined), std::back_inserter(added));
  return make_tokenizer_parts(std::move(vocabulary), std::move(added), Normalizer(std::move(kind.normalizer)),
                              PreTokenizer(std::move(kind.pre_tokenizer)), std::move(model),
                              Decoder({decode_byte_alphabet()}));
}

}  // namespace quiver
