#include "text/unigram_model.h"

#include <algorithm>
#include <limits>

#include "text/utf8.h"

namespace quiver {
namespace {

// How much less likely than the least likely token an unknown character is (SentencePiece's kUnkPenalty).
constexpr double kUnknownPenalty = 10.0;
constexpr std::uint32_t kUnreached = std::numeric_limits<std::uint32_t>::max();

TextToId ids_by_text(const Vocabulary& vocabulary) {
  TextToId ids;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    if (const std::string* content = vocabulary.content(id)) ids.emplace(*content, id);
  }
  return ids;
}

ByteTrie trie_of(const TextToId& ids) {
  std::vector<ByteTrie::Entry> entries;
  entries.reserve(ids.size());
  for (const auto& [content, id] : ids) entries.push_back({content, id});
  return ByteTrie(std::move(entries));
}

}  // namespace

UnigramModel::UnigramModel(const Vocabulary& vocabulary, Options options)
    : ids_(ids_by_text(vocabulary)),
      trie_(trie_of(ids_)),
      scores_(std::move(options.scores)),
      unknown_id_(options.unknown_id),
      unknown_score_(*std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty) {
  if (options.byte_fallback) byte_tokens_.emplace(vocabulary);
}

std::vector<WordToken> UnigramModel::best_path(std::string_view word) const {
  struct End {
    double score = 0.0;                // of the best path from the word's beginning to here
    std::uint32_t begin = kUnreached;  // of that path's last token
    std::int32_t id = -1;
  };
  std::vector<End> ends(word.size() + 1);
  for (std::uint32_t at = 0; at < word.size();) {
    const auto offer = [&](std::uint32_t end, double score, std::int32_t id) {
      score += ends[at].score;
      if (ends[end].begin == kUnreached || score > ends[end].score) ends[end] = {score, at, id};
    };
    const std::size_t character = utf8_step(word, at).length;
    bool character_is_token = false;
    trie_.for_each_prefix(word.substr(at), [&](std::size_t length, std::int32_t id) {
      offer(at + static_cast<std::uint32_t>(length), scores_[static_cast<std::size_t>(id)], id);
      character_is_token |= length == character;
    });
    const auto next = at + static_cast<std::uint32_t>(character);
    if (!character_is_token) offer(next, unknown_score_, unknown_id_);
    at = next;
  }
  std::vector<WordToken> path;
  for (auto end = static_cast<std::uint32_t>(word.size()); end > 0; end = path.back().begin)
    path.push_back({ends[end].id, ends[end].begin, end});
  std::reverse(path.begin(), path.end());
  return path;
}

void UnigramModel::encode(std::string_view word, std::vector<WordToken>& tokens) const {
  tokens.clear();
  const std::vector<WordToken> path = best_path(word);
  for (std::size_t i = 0; i < path.size();) {
    WordToken token = path[i++];
    if (token.id != unknown_id_) {
      tokens.push_back(token);
      continue;
    }
    for (; i < path.size() && path[i].id == unknown_id_; ++i) token.end = path[i].end;
    const std::string_view text = word.substr(token.begin, token.end - token.begin);
    // Unlikely tokens lose against unknown characters, yet together those may spell one.
    if (const auto found = ids_.find(text); found != ids_.end()) {
      token.id = found->second;
    } else if (byte_tokens_ && byte_tokens_->spell(text, token.begin, tokens)) {
      continue;
    }
    tokens.push_back(token);
  }
}

}  // namespace quiver
