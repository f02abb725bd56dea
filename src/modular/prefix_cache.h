#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/routed_model.h"

namespace quiver {

// Pages of keys and values by what they were made of: the content that served a sequence (Binding::content)
// and the tokens up to the page's end. They are compared, never hashed or named, by who owns them: weights
// that are gone keep their place, so that a page cannot be taken for one of other weights, and no memory
// beside it. One thread at a time.
class PrefixCache {
 public:
  explicit PrefixCache(std::shared_ptr<CachePool> pool) : pool_(std::move(pool)) {}

  struct Found {
    std::vector<at::Tensor> pages;
    // Another sequence is about to make the next one.
    bool next_is_coming = false;
  };
  // What is kept of the beginning of `ids`, in whole pages.
  Found find(const Binding& binding, std::span<const std::int32_t> ids);
  // Says that `owner` will make the pages of `ids` that are not there and not coming.
  void announce(const Binding& binding, std::span<const std::int32_t> ids, std::uint64_t owner);
  // Keeps the pages of `ids`, all of them whole.
  void keep(const Binding& binding, std::span<const std::int32_t> ids, std::span<const at::Tensor> pages);
  // Takes back what `owner` announced and did not make.
  void forget(std::uint64_t owner);

  // Gives back at least `pages` that no sequence holds, if there are as many, those first that were looked
  // at longest ago.
  void evict(std::int64_t pages);

 private:
  struct Node {
    std::map<std::vector<std::int32_t>, std::unique_ptr<Node>> children = {};  // by the next page's ids
    at::Tensor page = {};                                                      // undefined: announced
    std::uint64_t owner = 0;                                                   // who announced it
    std::uint64_t used = 0;                                                    // when, in looks
  };

  // Binding::Content without a hold on it.
  using Key = std::vector<std::pair<std::weak_ptr<const void>, double>>;
  struct ByOwner {
    bool operator()(const Key& left, const Key& right) const;
  };
  static Key key_of(const Binding& binding) { return {binding.content.begin(), binding.content.end()}; }

  std::shared_ptr<CachePool> pool_;
  std::map<Key, Node, ByOwner> roots_;
  std::set<std::uint64_t> announcers_;
  std::uint64_t looks_ = 0;
};

}  // namespace quiver
