#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"

namespace quiver::program {

// The rows of a JSON lines file on their way through a model: each comes out with its results, or with an
// `error` and why, so that one bad row costs no other its answer.
class RequestRows {
 public:
  // Throws Error for a file that cannot be read or is not JSON lines.
  explicit RequestRows(const std::string& path);

  // Calls `make` with every row; the indices of those it threw no Error for.
  std::vector<std::size_t> prepare(const std::function<void(const Json& row, std::size_t number)>& make);

  Json& operator[](std::size_t row) { return rows_[row]; }
  void fail(std::size_t row, const Error& error);

  // A line a row.
  std::string text() const;
  // Throws when a row failed, with the count and the first.
  void require_all() const;

 private:
  std::string path_;
  std::vector<Json> rows_;
  std::size_t failed_ = 0, first_ = 0;
  std::optional<Error> error_;  // of the first failed row
};

}  // namespace quiver::program
