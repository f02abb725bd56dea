#include "text/merge_table.h"

#include <array>
#include <limits>
#include <queue>
#include <tuple>

#include "quiver/error.h"

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

MergeTable MergeTable::from_rules(const std::vector<MergeRule>& rules, const Vocabulary& vocabulary,
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
  MergeTable table;
  table.merges_.reserve(rules.size());
  std::uint32_t rank = 0;
  for (const MergeRule& rule : rules) {
    table.add(require(rule.left, rule), require(rule.right, rule), rank++,
              require(rule.left + rule.right, rule));
  }
  return table;
}

void MergeTable::add(std::int32_t left, std::int32_t right, std::uint32_t rank, std::int32_t result) {
  merges_.insert_or_assign(pair_key(left, right), Merge{rank, result});
}

const MergeTable::Merge* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void MergeTable::apply(std::vector<WordToken>& symbols) const {
  if (symbols.size() <= kShortWord) {
    apply_short(symbols);
  } else {
    apply_long(symbols);
  }
}

void MergeTable::apply_short(std::vector<WordToken>& symbols) const {
  std::array<const Merge*, kShortWord> merges{};  // merges[i] joins symbols i and i + 1
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) merges[i] = find(symbols[i].id, symbols[i + 1].id);
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
    if (best > 0) merges[best - 1] = find(symbols[best - 1].id, symbols[best].id);
    if (best + 1 < symbols.size()) merges[best] = find(symbols[best].id, symbols[best + 1].id);
  }
}

void MergeTable::apply_long(std::vector<WordToken>& symbols) const {
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
    if (const Merge* merge = find(symbols[left].id, symbols[next[left]].id)) {
      queue.push({merge->rank, left, merge->result});
    }
  };
  for (std::uint32_t i = 0; i < count; ++i) offer(i);

  std::vector<bool> gone(count, false);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    // Either side may have become part of another token since the candidate was queued. The result then is
    // another one, as it stands for a longer text; the rank may be the same.
    if (gone[best.left] || next[best.left] == kNone) continue;
    const std::uint32_t right = next[best.left];
    const Merge* merge = find(symbols[best.left].id, symbols[right].id);
    if (merge == nullptr || merge->result != best.result) continue;
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
