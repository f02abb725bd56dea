#include "quiver/tokenizer.h"
#include "text/tokenizer_parts.h"

namespace quiver {
namespace {

// Values of tokenizer.ggml.token_type that matter here.
constexpr std::int32_t kControl = 3;
constexpr std::int32_t kUserDefined = 4;

SplitStep isolate(std::string_view pattern, const std::string& where) {
  return {.pattern = Regex::from_oniguruma(pattern, where)};
}

// Each `pre` stands for the pre-tokenizer of the model family it was named after, and for its ignore_merges.
struct PreKind {
  PreTokenizer::Options pre_tokenizer;
  bool ignore_merges = false;
};

PreKind pre_kind(const std::string& pre, const std::string& where) {
  if (pre == "gpt-2") return {{.byte_level = isolate(kGpt2Pattern, where)}};
  if (pre == "smollm")
    return {{.splits = {isolate("\\p{N}", where)}, .byte_level = isolate(kGpt2Pattern, where)}};
  if (pre == "llama-bpe") return {{.splits = {isolate(kLlama3Pattern, where)}}, true};
  throw Error(ErrorKind::kUnsupported,
              where + ": pre-tokenizer '" + pre.substr(0, 100) + "' is not supported",
              "known: gpt-2, smollm, llama-bpe");
}

std::vector<AddedToken> added_tokens(const GgufVocabulary& source) {
  std::vector<AddedToken> added;
  for (std::size_t id = 0; id < source.token_types.size(); ++id) {
    const std::int32_t type = source.token_types[id];
    if (type != kControl && type != kUserDefined) continue;
    added.push_back(
        {.id = static_cast<std::int32_t>(id), .content = source.tokens[id], .special = type == kControl});
  }
  return added;
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::from_vocabulary(const GgufVocabulary& source) {
  const std::string where = "GGUF vocabulary";
  if (source.tokens.empty()) throw Error(ErrorKind::kCorruptFile, where + ": holds no tokens");
  if (!source.token_types.empty() && source.token_types.size() != source.tokens.size()) {
    throw Error(ErrorKind::kCorruptFile, where + ": " + std::to_string(source.tokens.size()) +
                                             " tokens but " + std::to_string(source.token_types.size()) +
                                             " token types");
  }
  PreKind kind = pre_kind(source.pre, where);
  Vocabulary vocabulary;
  for (std::size_t id = 0; id < source.tokens.size(); ++id) {
    vocabulary.add(source.tokens[id], static_cast<std::int64_t>(id), where);
  }
  BytePairModel::Options options{.ignore_merges = kind.ignore_merges};
  options.merges.reserve(source.merges.size());
  for (const std::string& line : source.merges) options.merges.push_back(parse_merge(line, where));
  BytePairModel model(vocabulary, options, where);
  return std::make_shared<const Tokenizer>(std::make_unique<const TokenizerParts>(
      make_tokenizer_parts(std::move(vocabulary), added_tokens(source), Normalizer(),
                           PreTokenizer(std::move(kind.pre_tokenizer)), std::move(model))));
}

}  // namespace quiver
