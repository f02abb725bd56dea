#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace quiver {

// Finds which texts of a fixed set a text begins with. Immutable and thread-safe.
class ByteTrie {
 public:
  struct Entry {
    std::string_view text;
    std::int32_t value;
  };
  // Empty texts are left out; of two entries with one text the first counts.
  explicit ByteTrie(std::vector<Entry> entries);

  // Calls visit(length, value) for each entry that `text` begins with, shortest first.
  template <typename Visit>
  void for_each_prefix(std::string_view text, Visit&& visit) const {
    std::uint32_t node = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
      node = child(node, static_cast<unsigned char>(text[at]));
      if (node == 0) return;
      if (nodes_[node].value >= 0) visit(at + 1, nodes_[node].value);
    }
  }

 private:
  struct Node {
    std::uint32_t first_child = 0;  // the children of a node stand side by side, in the order of their bytes
    std::uint16_t child_count = 0;
    unsigned char byte = 0;
    std::int32_t value = -1;
  };

  // 0, which is the root and nobody's child, where there is none.
  std::uint32_t child(std::uint32_t node, unsigned char byte) const;

  std::vector<Node> nodes_;
};

}  // namespace quiver
