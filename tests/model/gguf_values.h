#pragma once

#include <string>
#include <vector>

#include "core/files.h"
#include "support/golden.h"
#include "tensor/gguf_builder.h"

namespace quiver::test {

// A golden GGUF file with more metadata values. A text that fills up to the alignment of 32 goes with them,
// so that the tensors move by whole units.
inline std::string with_gguf_values(const std::string& golden_name, const std::vector<std::string>& values) {
  std::string bytes = read_file(golden_path(golden_name), 1 << 20);
  constexpr std::size_t kCount = 16, kFirstValue = 24;
  std::string added;
  for (const std::string& value : values) added += value;
  const std::size_t size = added.size() + gguf_text("fill", "").size();
  added += gguf_text("fill", std::string((32 - size % 32) % 32, ' '));
  std::uint64_t count;
  std::memcpy(&count, bytes.data() + kCount, sizeof count);
  count += values.size() + 1;
  std::memcpy(bytes.data() + kCount, &count, sizeof count);
  return bytes.insert(kFirstValue, added);
}

}  // namespace quiver::test
