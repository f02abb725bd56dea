#include "data/row_fields.h"

#include <algorithm>

namespace quiver {
namespace {

using parquet::schema::Node;

// Whether JSON has a text, number or truth value for the type.
bool is_plain(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA:
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BOOL:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      return true;
    case arrow::Type::DICTIONARY:
      return is_plain(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return arrow::is_integer(type.id());
  }
}

// A list's repeated group and its element stand between the names of a path.
bool is_list(const Node* node) {
  return node != nullptr && node->logical_type() != nullptr && node->logical_type()->is_list();
}

bool is_index(const std::string& part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Whether a leaf lies on the path, which may end above it.
bool lies_on(const Node* leaf, const std::vector<std::string>& path) {
  std::vector<const Node*> nodes;  // from the column down, without the schema's root
  for (const Node* node = leaf; node->parent() != nullptr; node = node->parent()) nodes.push_back(node);
  std::ranges::reverse(nodes);
  std::size_t at = 0;
  for (const Node* node : nodes) {
    if (at == path.size()) return true;
    const bool is_element = is_list(node->parent()->parent());
    if (is_element && is_index(path[at])) ++at;
    if (is_element || is_list(node->parent())) continue;
    if (node->name() != path[at]) return false;
    ++at;
  }
  return true;
}

}  // namespace

std::vector<int> leaves_of(const RowFields& fields, const arrow::Schema& schema,
                           const parquet::SchemaDescriptor& leaves, const std::filesystem::path& file) {
  std::vector<std::vector<std::string>> paths;
  for (const std::string& path : fields.paths) {
    const std::vector<std::string> parts = parts_of(path);
    if (find_column(schema, parts.front(), file)) paths.push_back(parts);
  }
  for (const std::string& name : fields.plain_names) {
    const std::vector<int> found = schema.GetAllFieldIndices(name);
    if (found.size() == 1 && is_plain(*schema.field(found.front())->type())) paths.push_back({name});
  }
  std::vector<int> chosen;
  for (int leaf = 0; leaf < leaves.num_columns(); ++leaf) {
    const Node* node = leaves.Column(leaf)->schema_node().get();
    if (std::ranges::any_of(paths, [&](const auto& path) { return lies_on(node, path); }))
      chosen.push_back(leaf);
  }
  return chosen;
}

}  // namespace quiver
