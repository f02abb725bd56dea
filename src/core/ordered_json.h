#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"

namespace quiver {

// JSON whose objects keep the order of their names.
using OrderedJson = nlohmann::ordered_json;

// Builds such a value from a parser's events (OrderedJson::sax_parse), and looks for what the library's own
// parser takes in silence. That one also looks through all of an object for every name, in quadratic time.
class OrderedJsonBuilder : public nlohmann::json_sax<OrderedJson> {
 public:
  explicit OrderedJsonBuilder(std::size_t max_depth) : max_depth_(max_depth) {}

  OrderedJson build(std::string_view text);

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON has none
  bool start_object(std::size_t) override { return open(OrderedJson::object()); }
  bool key(string_t& name) override;
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(OrderedJson::array()); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const OrderedJson::exception& error) override;

 protected:
  enum class Problem { kSyntax, kNameTwice, kTooDeep };
  // Throws. `detail`: the library's message, the name, nothing.
  [[noreturn]] virtual void refuse(Problem problem, const std::string& detail) = 0;

 private:
  OrderedJson& place(OrderedJson value);
  bool add(OrderedJson value);
  bool open(OrderedJson value);
  bool close();

  const std::size_t max_depth_;
  OrderedJson root_;
  // The containers around, each the last element of the one before, and the names in them so far.
  struct Container {
    OrderedJson* json;
    std::set<std::string> names = {};
  };
  std::vector<Container> around_;
  std::string name_;
};

// Parses JSON text as parse_json() does, but that a name may come once in an object. Throws as that.
OrderedJson parse_ordered_json(std::string_view text, const std::string& where);

// As dump_json().
std::string dump_ordered_json(const OrderedJson& value);

}  // namespace quiver
