#include "core/ordered_json.h"

namespace quiver {
namespace {

class FileBuilder : public OrderedJsonBuilder {
 public:
  explicit FileBuilder(const std::string& where) : OrderedJsonBuilder(kMaxDepth), where_(where) {}

 private:
  [[noreturn]] void refuse(Problem problem, const std::string& detail) override {
    std::string text = ": not valid JSON: " + detail;
    if (problem == Problem::kNameTwice) text = ": the JSON has '" + detail + "' twice";
    if (problem == Problem::kTooDeep)
      text = ": JSON nested deeper than " + std::to_string(kMaxDepth) + " levels";
    throw Error(ErrorKind::kCorruptFile, where_ + text);
  }

  static constexpr std::size_t kMaxDepth = 200;
  const std::string& where_;
};

}  // namespace

OrderedJson OrderedJsonBuilder::build(std::string_view text) {
  OrderedJson::sax_parse(text, this);
  return std::move(root_);
}

OrderedJson& OrderedJsonBuilder::place(OrderedJson value) {
  if (around_.empty()) return root_ = std::move(value);
  OrderedJson& around = *around_.back().json;
  if (around.is_array()) return around.get_ref<OrderedJson::array_t&>().emplace_back(std::move(value));
  return around.get_ref<OrderedJson::object_t&>().emplace_back(std::move(name_), std::move(value)).second;
}

bool OrderedJsonBuilder::add(OrderedJson value) {
  place(std::move(value));
  return true;
}

bool OrderedJsonBuilder::open(OrderedJson value) {
  if (around_.size() == max_depth_) refuse(Problem::kTooDeep, {});
  around_.push_back({&place(std::move(value))});
  return true;
}

bool OrderedJsonBuilder::close() {
  around_.pop_back();
  return true;
}

bool OrderedJsonBuilder::key(string_t& name) {
  if (!around_.back().names.insert(name).second) refuse(Problem::kNameTwice, name);
  name_ = std::move(name);
  return true;
}

bool OrderedJsonBuilder::parse_error(std::size_t, const std::string&, const OrderedJson::exception& error) {
  refuse(Problem::kSyntax, error.what());
  return false;
}

OrderedJson parse_ordered_json(std::string_view text, const std::string& where) {
  return FileBuilder(where).build(text);
}

std::string dump_ordered_json(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace quiver
