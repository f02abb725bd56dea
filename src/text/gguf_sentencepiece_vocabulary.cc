#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "text/byte_pair_model.h"
#include "text/gguf_vocabulary.h"
#include "text/rewrites.h"
#include "text/utf8.h"

namespace quiver {
namespace {

constexpr char kSpaceMark[] = "\u2581";
// Far above any real token; the ways to cut a token in two are as many as its characters.
constexpr std::size_t kMaxTokenBytes = 1024;

void check_scores(const GgufVocabulary& source) {
  const auto refuse = [](const std::string& why) {
    throw Error(ErrorKind::kCorruptFile, std::string(kGgufVocabularyName) + ": " + why);
  };
  if (source.scores.size() != source.tokens.size()) {
    refuse(std::to_string(source.tokens.size()) + " tokens but " + std::to_string(source.scores.size()) +
           " scores");
  }
  for (std::size_t id = 0; id < source.scores.size(); ++id) {
    if (!std::isfinite(source.scores[id])) {
      refuse("token '" + source.tokens[id].substr(0, 200) + "' has the score " +
             std::to_string(source.scores[id]));
    }
  }
}

// The place of each id in the order of scores, highest first; ids with equal scores share one.
std::vector<std::uint32_t> ranks_by_score(const std::vector<double>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::vector<std::uint32_t> ranks(scores.size());
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && scores[order[i]] != scores[order[i - 1]]) ++rank;
    ranks[order[i]] = rank;
  }
  return ranks;
}

// SentencePiece merges any two neighbours whose union is a token, the highest score first and of equal scores
// the leftmost.
MergeTable merges_by_score(const GgufVocabulary& source, const Vocabulary& vocabulary) {
  const std::vector<std::uint32_t> ranks = ranks_by_score(source.scores);
  const auto takes_part = [&](std::size_t id) {
    if (source.token_types.empty()) return true;
    const std::int32_t type = source.token_types[id];
    return type != kGgufUnknown && type != kGgufControl && type != kGgufByte;
  };
  MergeTable merges;
  for (std::size_t id = 0; id < source.tokens.size(); ++id) {
    const std::string_view token = source.tokens[id];
    if (!takes_part(id)) continue;
    if (token.size() > kMaxTokenBytes) {
      throw Error(ErrorKind::kUnsupported, std::string(kGgufVocabularyName) + ": token " +
                                               std::to_string(id) + " has " + std::to_string(token.size()) +
                                               " bytes, more than " + std::to_string(kMaxTokenBytes));
    }
    for (std::size_t at = token.empty() ? 0 : utf8_step(token, 0).length; at < token.size();
         at += utf8_step(token, at).length) {
      const auto left = vocabulary.id(token.substr(0, at)), right = vocabulary.id(token.substr(at));
      if (!left || !right) continue;
      if (!takes_part(static_cast<std::size_t>(*left)) || !takes_part(static_cast<std::size_t>(*right)))
        continue;
      merges.add(*left, *right, ranks[id], static_cast<std::int32_t>(id));
    }
  }
  return merges;
}

}  // namespace

std::unique_ptr<TokenizerParts> sentencepiece_parts(const GgufVocabulary& source, Vocabulary vocabulary) {
  check_scores(source);
  BytePairModel::Options options{
      .units = BytePairModel::Units::kCharacters,
      .merges = merges_by_score(source, vocabulary),
      .byte_fallback = !gguf_tokens_of_type(source, kGgufByte).empty(),
      .fuse_unknown = true,
  };
  std::vector<AddedToken> added = gguf_tokens_of_type(source, kGgufUnknown);
  if (!added.empty()) options.unknown_token = added.front().content;
  for (const GgufTokenType type : {kGgufControl, kGgufUserDefined})
    std::ranges::move(gguf_tokens_of_type(source, type), std::back_inserter(added));
  auto model = std::make_unique<const BytePairModel>(vocabulary, std::move(options), kGgufVocabularyName);

  std::vector<Rewrite> normalizer;
  std::vector<DecodeStep> decoder = {decode_replaced(Regex::literal(kSpaceMark), " "), decode_byte_tokens(),
                                     decode_fused()};
  if (source.add_space_prefix) {
    normalizer.push_back([](const TracedText& text) { return with_prefix(kSpaceMark, text); });
    decoder.push_back(decode_stripped(" ", 1, 0));
  }
  normalizer.push_back([space = Regex::literal(" ")](const TracedText& text) {
    return with_replaced(space, kSpaceMark, text);
  });
  return make_tokenizer_parts(std::move(vocabulary), std::move(added), Normalizer(std::move(normalizer)),
                              PreTokenizer({}), std::move(model), Decoder(std::move(decoder)));
}

}  // namespace quiver
