#pragma once

#include <filesystem>
#include <functional>

namespace quiver {

// Runs `read`, which reads several files of `directory`, so that all of them come from one version of it even
// when writers exchange or remove the folder meanwhile: a run that was overtaken, whether it returned or
// threw, is repeated. The caller takes only what the last run produced. Throws what `read` throws, and
// Error(kIo) when it is overtaken again and again. A missing folder is left to `read` to report.
void read_snapshot(const std::filesystem::path& directory, const std::function<void()>& read);

}  // namespace quiver
