#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "routing/sequence_rule.h"

namespace quiver {

// A prompt that a router looks at: the base runs over it, alone, as far as the looks need, and no layer
// twice. Its numbers are the same whatever else is decided. One thread at a time.
class PromptRun {
 public:
  // With a `pool`, keys and values are kept for finish(), whose cache has room for `capacity` tokens. The
  // prompt must outlive the run.
  PromptRun(const BaseModel& base, std::span<const std::int32_t> prompt, const std::string& task,
            std::shared_ptr<CachePool> pool = nullptr, std::int64_t capacity = 0)
      : base_(base), prompt_(prompt), pool_(std::move(pool)), capacity_(capacity), input_{.task = task} {}

  // What a rule needs of it. What it may need `later` is kept where the run passes by. Throws
  // Error(kNotFinite), and as BaseModel::forward().
  const SequenceInput& read(const SequenceNeeds& needs, const SequenceNeeds& later = {});

  // Where looks have run some layers over the prompt: the cache of the whole prompt, after the other layers.
  std::optional<SequenceCache> finish();

 private:
  bool has_passed(const SequenceNeeds& needs) const;
  std::vector<std::int64_t> layers_of(const SequenceNeeds& needs) const;
  std::vector<SequenceCache*> caches() {
    return cache_ ? std::vector{&*cache_} : std::vector<SequenceCache*>();
  }

  const BaseModel& base_;
  const std::span<const std::int32_t> prompt_;
  const std::shared_ptr<CachePool> pool_;
  const std::int64_t capacity_;
  ResidualStream stream_;
  std::optional<SequenceCache> cache_;
  SequenceInput input_;
};

}  // namespace quiver
