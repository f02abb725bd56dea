#include "request_rows.h"

#include "json_lines.h"

namespace quiver::program {

RequestRows::RequestRows(const std::string& path) : path_(path), rows_(read_json_lines(path)) {}

std::vector<std::size_t> RequestRows::prepare(const std::function<void(const Json&, std::size_t)>& make) {
  std::vector<std::size_t> prepared;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    try {
      make(rows_[row], row + 1);
      prepared.push_back(row);
    } catch (const Error& error) {
      fail(row, error);
    }
  }
  return prepared;
}

void RequestRows::fail(std::size_t row, const Error& error) {
  rows_[row]["error"] = std::string(error.what()) + (error.hint().empty() ? "" : " (" + error.hint() + ")");
  ++failed_;
  if (error_ && first_ < row) return;
  first_ = row;
  error_ = error;
}

std::string RequestRows::text() const {
  std::string text;
  for (const Json& row : rows_) text += dump_json(row) + "\n";
  return text;
}

void RequestRows::require_all() const {
  if (!error_) return;
  throw Error(error_->kind(),
              path_ + ": " + std::to_string(failed_) + " of " + std::to_string(rows_.size()) +
                  " rows failed, first row " + std::to_string(first_ + 1) + ": " + error_->what(),
              "the others were written, these with their 'error'" +
                  (error_->hint().empty() ? "" : "; " + error_->hint()));
}

}  // namespace quiver::program
