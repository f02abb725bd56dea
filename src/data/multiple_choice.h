#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace quiver {

struct MultipleChoiceQuestion {
  std::string id;
  std::string question;
  std::vector<std::string> choices;  // 2 or more
  std::size_t answer;                // index of the right one in `choices`
};

// Reads ARC in AI2's original JSON lines, one question a line:
//   {"id": ..., "question": {"stem": ..., "choices": [{"text": ..., "label": ...}, ...]}, "answerKey": ...}
// Labels are A, B, ... or 1, 2, ... in this order. Throws Error(kNotFound, kIo), and Error(kCorruptFile) with
// file and line for a row that does not fit or a file without a question.
std::vector<MultipleChoiceQuestion> read_arc(const std::filesystem::path& path);

}  // namespace quiver
