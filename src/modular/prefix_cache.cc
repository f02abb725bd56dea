#include "modular/prefix_cache.h"

#include <algorithm>

namespace quiver {
namespace {

constexpr auto kPage = static_cast<std::size_t>(CachePool::kPositions);

// Whole pages' ids, one after the other.
std::vector<std::vector<std::int32_t>> in_pages(std::span<const std::int32_t> ids) {
  std::vector<std::vector<std::int32_t>> pages;
  for (; ids.size() >= kPage; ids = ids.subspan(kPage)) {
    const auto page = ids.first(kPage);
    pages.emplace_back(page.begin(), page.end());
  }
  return pages;
}

// Only the cache holds it.
bool is_unused(const at::Tensor& page) { return page.defined() && page.use_count() == 1; }

}  // namespace

bool PrefixCache::ByOwner::operator()(const Key& left, const Key& right) const {
  return std::ranges::lexicographical_compare(left, right, [](const auto& one, const auto& other) {
    if (one.first.owner_before(other.first)) return true;
    return !other.first.owner_before(one.first) && one.second < other.second;
  });
}

PrefixCache::Found PrefixCache::find(const Binding& binding, std::span<const std::int32_t> ids) {
  Found found;
  const auto root = roots_.find(key_of(binding));
  if (root == roots_.end()) return found;
  Node* node = &root->second;
  ++looks_;
  for (const std::vector<std::int32_t>& page : in_pages(ids)) {
    const auto next = node->children.find(page);
    if (next == node->children.end()) break;
    node = next->second.get();
    if (!node->page.defined()) {
      found.next_is_coming = true;
      break;
    }
    node->used = looks_;
    found.pages.push_back(node->page);
  }
  return found;
}

void PrefixCache::announce(const Binding& binding, std::span<const std::int32_t> ids, std::uint64_t owner) {
  Node* node = &roots_[key_of(binding)];
  for (const std::vector<std::int32_t>& page : in_pages(ids)) {
    std::unique_ptr<Node>& child = node->children[page];
    if (!child) {
      child = std::make_unique<Node>();
      child->owner = owner;
      announcers_.insert(owner);
    }
    node = child.get();
  }
}

void PrefixCache::keep(const Binding& binding, std::span<const std::int32_t> ids,
                       std::span<const at::Tensor> pages) {
  Node* node = &roots_[key_of(binding)];
  std::size_t place = 0;
  for (const std::vector<std::int32_t>& page : in_pages(ids)) {
    std::unique_ptr<Node>& child = node->children[page];
    if (!child) child = std::make_unique<Node>();
    node = child.get();
    node->used = looks_;
    if (!node->page.defined()) node->page = pages[place];
    ++place;
  }
}

void PrefixCache::forget(std::uint64_t owner) {
  if (announcers_.erase(owner) == 0) return;
  // What follows an announced page was announced by the same owner, or behind it by another, who finds out
  // that it is gone.
  const auto clear = [&](auto&& self, Node& node) -> void {
    std::erase_if(node.children, [&](const auto& child) {
      return !child.second->page.defined() && child.second->owner == owner;
    });
    for (auto& [ids, child] : node.children) self(self, *child);
  };
  for (auto& [content, root] : roots_) clear(clear, root);
  std::erase_if(roots_, [](const auto& root) { return root.second.children.empty(); });
}

void PrefixCache::evict(std::int64_t pages) {
  // A page leaves before those that it follows: parents are looked at whenever their children are.
  struct Leaf {
    std::uint64_t used;
    Node* parent;
    const std::vector<std::int32_t>* ids;
  };
  while (pages > 0) {
    std::vector<Leaf> leaves;
    const auto collect = [&](auto&& self, Node& node) -> void {
      for (auto& [ids, child] : node.children) {
        if (!child->children.empty()) {
          self(self, *child);
        } else if (is_unused(child->page)) {
          leaves.push_back({child->used, &node, &ids});
        }
      }
    };
    for (auto& [content, root] : roots_) collect(collect, root);
    if (leaves.empty()) return;
    std::ranges::sort(leaves, {}, &Leaf::used);
    for (const Leaf& leaf : leaves) {
      if (pages == 0) break;
      const auto child = leaf.parent->children.find(*leaf.ids);
      pool_->give_back(std::move(child->second->page));
      leaf.parent->children.erase(child);
      --pages;
    }
    std::erase_if(roots_, [](const auto& root) { return root.second.children.empty(); });
  }
}

}  // namespace quiver
