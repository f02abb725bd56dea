#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/ordered_json.h"

namespace quiver {

// Reads the fields of one JSON object of a request, each by its name and type; null counts as absent. Every
// call throws ApiError 400 that names the field and what stands there where the type or the value does not
// fit. Borrows the object.
class RequestFields {
 public:
  // `place` is put before the names in messages: "router.".
  explicit RequestFields(const OrderedJson& object, std::string place = {})
      : object_(object), place_(std::move(place)) {}

  const OrderedJson* value(const std::string& name);  // null: absent
  std::optional<std::string> text(const std::string& name);
  std::optional<bool> flag(const std::string& name);
  // Both ends included.
  struct Bounds {
    double least, most;
  };
  std::optional<double> number(const std::string& name, Bounds bounds);
  std::optional<std::int64_t> whole(const std::string& name, std::int64_t least,
                                    std::int64_t most = std::numeric_limits<std::int64_t>::max());
  // A text, or a list of at most `most`.
  std::vector<std::string> texts(const std::string& name, std::size_t most);
  std::vector<std::int32_t> ids(const std::string& name);

  // Fields that may be there and change nothing.
  void ignore(const std::vector<std::string>& names);
  // Refuses a field that no call asked for, with the nearest that one did.
  void finish() const;

  // "'router.top_k'".
  std::string quoted(const std::string& name) const { return "'" + place_ + name + "'"; }
  std::string full_name(const std::string& name) const { return place_ + name; }
  // Throws ApiError 400: "'NAME' must be WANTED, not VALUE".
  [[noreturn]] void refuse(const std::string& name, const std::string& wanted) const;

 private:
  const OrderedJson& object_;
  const std::string place_;
  std::set<std::string> known_;
};

// Token ids of a JSON array; nothing where it is none, or has something else in it.
std::optional<std::vector<std::int32_t>> token_ids_of(const OrderedJson& value);

// A JSON value for a message: in one line, cut where it is long.
std::string shown(const OrderedJson& value);

}  // namespace quiver
