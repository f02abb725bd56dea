#include "text/byte_trie.h"

#include <algorithm>

namespace quiver {

ByteTrie::ByteTrie(std::vector<Entry> entries) : nodes_(1) {
  std::erase_if(entries, [](const Entry& entry) { return entry.text.empty(); });
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.text < b.text; });
  struct Pending {
    std::uint32_t node;
    std::size_t begin, end, depth;  // entries that share their first `depth` bytes
  };
  std::vector<Pending> pending = {{0, 0, entries.size(), 0}};
  while (!pending.empty()) {
    const Pending parent = pending.back();
    pending.pop_back();
    nodes_[parent.node].first_child = static_cast<std::uint32_t>(nodes_.size());
    for (std::size_t begin = parent.begin; begin < parent.end;) {
      const auto byte = static_cast<unsigned char>(entries[begin].text[parent.depth]);
      std::size_t end = begin + 1;
      while (end < parent.end && static_cast<unsigned char>(entries[end].text[parent.depth]) == byte) ++end;
      const auto node = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back({.byte = byte});
      ++nodes_[parent.node].child_count;
      // Equal texts and then longer ones follow the shortest.
      std::size_t longer = begin;
      while (longer < end && entries[longer].text.size() == parent.depth + 1) ++longer;
      if (longer > begin) nodes_[node].value = entries[begin].value;
      if (longer < end) pending.push_back({node, longer, end, parent.depth + 1});
      begin = end;
    }
  }
}

std::uint32_t ByteTrie::child(std::uint32_t node, unsigned char byte) const {
  const auto begin = nodes_.begin() + nodes_[node].first_child;
  const auto end = begin + nodes_[node].child_count;
  const auto found =
      std::lower_bound(begin, end, byte, [](const Node& child, unsigned char b) { return child.byte < b; });
  return found == end || found->byte != byte ? 0 : static_cast<std::uint32_t>(found - nodes_.begin());
}

}  // namespace quiver
