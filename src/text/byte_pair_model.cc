#include "text/byte_pair_model.h"

#include <limits>
#include <queue>
#include <tuple>

#include "quiver/error.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace quiver {
namespace {

// Up to here scanning for the best pair again and again beats a queue.
constexpr std::size_t kShortWord = 32;
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
         static_cast<std::uint32_t>(right);
}

}  // namespace

MergeRule parse_merge(const std::string& line, const std::string& where) {
  const std::size_t space = line.find(' ');
  if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
    throw Error(ErrorKind::kCorruptFile, where + ": merge '" + line.substr(0, 200) + "' is not two tokens");
  }
  return {line.substr(0, space), line.substr(space + 1)};
}

BytePairModel::BytePairModel(const Vocabulary& vocabulary, const Options& options, const std::string& where)
    : fuse_unknown_(options.fuse_unknown) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::string content;
    append_utf8(content, byte_alphabet()[byte]);
    byte_ids_[byte] = vocabulary.id(content).value_or(-1);
  }
  if (options.unknown_token) {
    const auto id = vocabulary.id(*options.unknown_token);
    if (!id) {
      throw Error(ErrorKind::kCorruptFile,
                  where + ": unk_token '" + *options.unknown_token + "' is not in the vocabulary");
    }
    unknown_id_ = *id;
  }
  if (options.ignore_merges) {
    for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
      const std::string* content = vocabulary.content(id);
      if (content == nullptr) continue;
      if (auto bytes = bytes_of_token(*content)) whole_words_.emplace(std::move(*bytes), id);
    }
  }
  add_merges(vocabulary, options, where);
}

void BytePairModel::add_merges(const Vocabulary& vocabulary, const Options& options,
                               const std::string& where) {
  const auto require = [&](const std::string& content, const MergeRule& rule) {
    const auto id = vocabulary.id(content);
    if (!id) {
      throw Error(ErrorKind::kCorruptFile, where + ": merge '" + rule.left.substr(0, 100) + " " +
                                               rule.right.substr(0, 100) + "' needs token '" +
                                               content.substr(0, 200) + "', which is not in the vocabulary");
    }
    return *id;
  };
  merges_.reserve(options.merges.size());
  std::uint32_t rank = 0;
  for (const MergeRule& rule : options.merges) {
    const std::uint64_t key = pair_key(require(rule.left, rule), require(rule.right, rule));
    merges_.insert_or_assign(key, Merge{rank++, require(rule.left + rule.right, rule)});
  }
}

const BytePairModel::Merge* BytePairModel::find_merge(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BytePairModel::encode(std::string_view word, std::vector<WordToken>& tokens) const {
  if (!whole_words_.empty()) {
    if (const auto found = whole_words_.find(word); found != whole_words_.end()) {
      tokens.push_back({found->second, 0, static_cast<std::uint32_t>(word.size())});
      return;
    }
  }
  std::vector<WordToken> symbols = initial_tokens(word);
  if (symbols.size() <= kShortWord) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
  tokens.insert(tokens.end(), symbols.begin(), symbols.end());
}

std::vector<WordToken> BytePairModel::initial_tokens(std::string_view word) const {
  std::vector<WordToken> symbols;
  symbols.reserve(word.size());
  bool after_unknown = false;
  for (std::uint32_t at = 0; at < word.size(); ++at) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(word[at])];
    if (id >= 0) {
      symbols.push_back({id, at, at + 1});
    } else if (unknown_id_ >= 0 && after_unknown && fuse_unknown_) {
      symbols.back().end = at + 1;
    } else if (unknown_id_ >= 0) {
      symbols.push_back({unknown_id_, at, at + 1});
    }
    after_unknown = id < 0;
  }
  return symbols;
}

void BytePairModel::merge_short(std::vector<WordToken>& symbols) const {
  std::array<const Merge*, kShortWord> merges{};  // merges[i] joins symbols i and i + 1
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
    merges[i] = find_merge(symbols[i].id, symbols[i + 1].id);
  while (symbols.size() > 1) {
    std::size_t best = symbols.size();
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      if (merges[i] && (best == symbols.size() || merges[i]->rank < merges[best]->rank)) best = i;
    }
    if (best == symbols.size()) return;
    symbols[best].id = merges[best]->result;
    symbols[best].end = symbols[best + 1].end;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    for (std::size_t i = best + 1; i + 1 < symbols.size(); ++i) merges[i] = merges[i + 1];
    if (best > 0) merges[best - 1] = find_merge(symbols[best - 1].id, symbols[best].id);
    if (best + 1 < symbols.size()) merges[best] = find_merge(symbols[best].id, symbols[best + 1].id);
  }
}

void BytePairModel::merge_long(std::vector<WordToken>& symbols) const {
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t left;  // index of the left symbol
    std::int32_t result;
    bool operator>(const Candidate& other) const {
      return std::tie(rank, left) > std::tie(other.rank, other.left);
    }
  };
  const auto count = static_cast<std::uint32_t>(symbols.size());
  std::vector<std::uint32_t> previous(count), next(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    previous[i] = i == 0 ? kNone : i - 1;
    next[i] = i + 1 == count ? kNone : i + 1;
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](std::uint32_t left) {
    if (left == kNone || next[left] == kNone) return;
    if (const Merge* merge = find_merge(symbols[left].id, symbols[next[left]].id)) {
      queue.push({merge->rank, left, merge->result});
    }
  };
  for (std::uint32_t i = 0; i < count; ++i) offer(i);

  std::vector<bool> gone(count, false);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    // Either side may have become part of another token since the candidate was queued.
    if (gone[best.left] || next[best.left] == kNone) continue;
    const std::uint32_t right = next[best.left];
    const Merge* merge = find_merge(symbols[best.left].id, symbols[right].id);
    if (merge == nullptr || merge->rank != best.rank) continue;
    symbols[best.left].id = best.result;
    symbols[best.left].end = symbols[right].end;
    gone[right] = true;
    next[best.left] = next[right];
    if (next[right] != kNone) previous[next[right]] = best.left;
    offer(previous[best.left]);
    offer(best.left);
  }
  std::size_t kept = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!gone[i]) symbols[kept++] = symbols[i];
  }
  symbols.resize(kept);
}

}  // namespace quiver
