#include "data/example_rows.h"

#include <algorithm>
#include <set>

#include "data/json_lines.h"

namespace quiver {
namespace {

// A target may be a list of accepted answers, of which mttl trains on the first.
std::string required_text(const Json& row, const char* key, const std::string& where) {
  if (!row.contains(key)) {
    std::string present;
    for (const auto& [name, value] : row.items()) present += (present.empty() ? "'" : ", '") + name + "'";
    throw Error(ErrorKind::kCorruptFile, where + ": column '" + key + "' is missing; present: " + present);
  }
  const Json& value = row.at(key);
  if (value.is_array() && !value.empty() && value[0].is_string() && std::string_view(key) == "target") {
    return value[0].get<std::string>();
  }
  if (!value.is_string()) {
    throw Error(ErrorKind::kCorruptFile,
                where + ": column '" + key + "' must be text, is " + dump_json(value).substr(0, 100));
  }
  return value.get<std::string>();
}

std::string optional_text(const Json& row, const char* key, const std::string& where) {
  const auto found = row.find(key);
  return found == row.end() || found->is_null() ? "" : required_text(row, key, where);
}

}  // namespace

Split parse_split(std::string_view text, const std::string& where) {
  if (text == "train") return Split::kTrain;
  if (text == "validation" || text == "valid" || text == "dev") return Split::kValidation;
  if (text == "test") return Split::kTest;
  throw Error(ErrorKind::kCorruptFile, where + ": unknown split '" + std::string(text.substr(0, 100)) + "'",
              "splits are train, validation (valid, dev) and test");
}

void visit_json_rows(const std::filesystem::path& file, const ExampleVisitor& visit) {
  std::optional<bool> has_split;
  for_each_json_line(file, [&](const Json& row, const std::string& where) {
    ExampleRow result;
    result.example.source = required_text(row, "source", where);
    result.example.target = required_text(row, "target", where);
    result.example.task_name = required_text(row, "task_name", where);
    result.example.task_source = optional_text(row, "task_source", where);
    result.example.template_type = optional_text(row, "template_type", where);
    const bool row_has_split = row.contains("split");
    if (has_split.value_or(row_has_split) != row_has_split) {
      throw Error(ErrorKind::kCorruptFile,
                  where + (row_has_split ? ": has a 'split', earlier rows have none"
                                         : ": 'split' is missing, earlier rows have it"));
    }
    has_split = row_has_split;
    if (row_has_split) result.split = parse_split(required_text(row, "split", where), where);
    visit(std::move(result));
  });
}

std::vector<std::filesystem::path> find_data_files(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code problem;
  if (!fs::is_directory(path, problem)) {
    if (fs::exists(path, problem)) return {path};
    const bool absent = !problem || problem == std::errc::no_such_file_or_directory;
    throw Error(ErrorKind::kNotFound,
                "data set '" + path.string() + "' not found" + (absent ? "" : ": " + problem.message()));
  }
  std::vector<fs::path> files;
  std::set<fs::path> extensions;
  try {
    for (fs::recursive_directory_iterator entry(path), end; entry != end; ++entry) {
      if (entry->path().filename().native().starts_with('.')) {
        if (entry->is_directory()) entry.disable_recursion_pending();
        continue;
      }
      const fs::path extension = entry->path().extension();
      if (!entry->is_regular_file() || (extension != ".parquet" && extension != ".jsonl")) continue;
      files.push_back(entry->path());
      extensions.insert(extension);
    }
  } catch (const fs::filesystem_error& e) {
    throw Error(ErrorKind::kIo, "cannot list '" + path.string() + "': " + e.code().message());
  }
  if (files.empty()) {
    throw Error(ErrorKind::kNotFound, "folder '" + path.string() + "' holds no .parquet and no .jsonl file");
  }
  if (extensions.size() > 1) {
    throw Error(ErrorKind::kInvalidArgument,
                "folder '" + path.string() + "' holds .parquet and .jsonl files, which may be the same rows",
                "name one file");
  }
  std::ranges::sort(files);
  return files;
}

void visit_rows(const std::filesystem::path& file, SplitColumn split, const ExampleVisitor& visit) {
  const std::filesystem::path extension = file.extension();
  if (extension == ".parquet") return visit_parquet_rows(file, split, visit);
  if (extension == ".jsonl" || extension == ".json") return visit_json_rows(file, visit);
  throw Error(ErrorKind::kUnsupported, "data set '" + file.string() + "' has an unknown extension",
              "known are .parquet, .jsonl and .json (JSON lines)");
}

std::vector<Example> read_examples(const std::filesystem::path& path) {
  std::vector<Example> examples;
  for (const std::filesystem::path& file : find_data_files(path)) {
    visit_rows(file, SplitColumn::kOptional,
               [&](ExampleRow&& row) { examples.push_back(std::move(row.example)); });
  }
  return examples;
}

}  // namespace quiver
