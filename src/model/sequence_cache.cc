#include "core/check.h"
#include "model/decoder.h"
#include "quiver/base_model.h"

namespace quiver {

at::Tensor CachePool::take() {
  ++taken_;
  if (free_.empty()) return at::empty(shape_, options_);
  at::Tensor page = std::move(free_.back());
  free_.pop_back();
  return page;
}

void CachePool::give_back(at::Tensor page) {
  if (page.use_count() > 1) return;
  --taken_;
  free_.push_back(std::move(page));
}

std::int64_t CachePool::page_bytes() const {
  std::int64_t bytes = static_cast<std::int64_t>(options_.dtype().itemsize());
  for (const std::int64_t size : shape_) bytes *= size;
  return bytes;
}

SequenceCache::State::State(std::shared_ptr<CachePool> from, std::int64_t most)
    : pool(std::move(from)), capacity(most) {}

SequenceCache::State::~State() {
  for (at::Tensor& page : pages) pool->give_back(std::move(page));
}

void SequenceCache::State::reserve(std::int64_t tokens) {
  while (static_cast<std::int64_t>(pages.size()) * CachePool::kPositions < tokens)
    pages.push_back(pool->take());
}

SequenceCache::SequenceCache(std::unique_ptr<State> state) : state_(std::move(state)) {}
SequenceCache::SequenceCache(SequenceCache&&) noexcept = default;
SequenceCache& SequenceCache::operator=(SequenceCache&&) noexcept = default;
SequenceCache::~SequenceCache() = default;

std::int64_t SequenceCache::length() const { return state_->length; }
std::int64_t SequenceCache::capacity() const { return state_->capacity; }
std::span<const at::Tensor> SequenceCache::pages() const { return state_->pages; }

SequenceCache SequenceCache::fork(std::int64_t capacity) const {
  QUIVER_CHECK(capacity >= length(), "capacity ", capacity, ", length ", length());
  auto state = std::make_unique<State>(state_->pool, capacity);
  const std::int64_t whole = length() / CachePool::kPositions, rest = length() % CachePool::kPositions;
  state->pages.assign(state_->pages.begin(), state_->pages.begin() + whole);
  state->length = length();
  state->reserve(length());
  if (rest > 0) {
    const at::Tensor& last = state_->pages[static_cast<std::size_t>(whole)];
    state->pages.back().slice(3, 0, rest).copy_(last.slice(3, 0, rest));
  }
  return SequenceCache(std::move(state));
}

void SequenceCache::truncate(std::int64_t length) {
  QUIVER_CHECK(0 <= length && length <= state_->length, "length ", length, " of ", state_->length);
  state_->length = length;
}

void SequenceCache::begin_with(std::span<const at::Tensor> pages) {
  QUIVER_CHECK(
      state_->pages.empty() && static_cast<std::int64_t>(pages.size()) * CachePool::kPositions <= capacity(),
      "pages ", pages.size(), ", capacity ", capacity());
  state_->pages.assign(pages.begin(), pages.end());
  state_->length = static_cast<std::int64_t>(pages.size()) * CachePool::kPositions;
}

}  // namespace quiver
