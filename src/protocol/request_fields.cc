#include "protocol/request_fields.h"

#include <cmath>

#include "core/strings.h"
#include "protocol/api_error.h"

namespace quiver {
namespace {

// A number that a JSON text may also write as 16.0 or 1e3.
std::optional<std::int64_t> whole_of(const OrderedJson& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  if (std::trunc(number) != number || std::abs(number) > 9e15) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

}  // namespace

std::string shown(const OrderedJson& value) {
  constexpr std::size_t kLongest = 80;
  if (value.is_array() && value.size() > 20) return "a list of " + std::to_string(value.size());
  std::string text = value.dump(-1, ' ', true, OrderedJson::error_handler_t::replace);  // ASCII: cut anywhere
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

std::optional<std::vector<std::int32_t>> token_ids_of(const OrderedJson& value) {
  if (!value.is_array()) return std::nullopt;
  std::vector<std::int32_t> ids;
  ids.reserve(value.size());
  for (const OrderedJson& item : value) {
    const std::optional<std::int64_t> id = whole_of(item);
    if (!id || *id < 0 || *id > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
    ids.push_back(static_cast<std::int32_t>(*id));
  }
  return ids;
}

void RequestFields::refuse(const std::string& name, const std::string& wanted) const {
  throw ApiError(400, quoted(name) + " must be " + wanted + ", not " + shown(object_.at(name)),
                 full_name(name));
}

const OrderedJson* RequestFields::value(const std::string& name) {
  known_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> RequestFields::text(const std::string& name) {
  const OrderedJson* const found = value(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) refuse(name, "a string");
  return found->get<std::string>();
}

std::optional<bool> RequestFields::flag(const std::string& name) {
  const OrderedJson* const found = value(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_boolean()) refuse(name, "true or false");
  return found->get<bool>();
}

std::optional<double> RequestFields::number(const std::string& name, Bounds bounds) {
  const OrderedJson* const found = value(name);
  if (found == nullptr) return std::nullopt;
  const double number = found->is_number() ? found->get<double>() : std::numeric_limits<double>::quiet_NaN();
  if (!(number >= bounds.least && number <= bounds.most))
    refuse(name, "a number from " + number_text(bounds.least) + " to " + number_text(bounds.most));
  return number;
}

std::optional<std::int64_t> RequestFields::whole(const std::string& name, std::int64_t least,
                                                 std::int64_t most) {
  const OrderedJson* const found = value(name);
  if (found == nullptr) return std::nullopt;
  const std::optional<std::int64_t> number = whole_of(*found);
  if (!number || *number < least || *number > most) {
    const std::string end =
        most == std::numeric_limits<std::int64_t>::max() ? " on" : " to " + std::to_string(most);
    refuse(name, "a whole number from " + std::to_string(least) + end);
  }
  return number;
}

std::vector<std::string> RequestFields::texts(const std::string& name, std::size_t most) {
  const OrderedJson* const found = value(name);
  if (found == nullptr) return {};
  if (found->is_string()) return {found->get<std::string>()};
  const std::string wanted = "a string or a list of at most " + std::to_string(most) + " strings";
  if (!found->is_array() || found->size() > most) refuse(name, wanted);
  std::vector<std::string> texts;
  for (const OrderedJson& item : *found) {
    if (!item.is_string()) refuse(name, wanted);
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

std::vector<std::int32_t> RequestFields::ids(const std::string& name) {
  const OrderedJson* const found = value(name);
  if (found == nullptr) return {};
  std::optional<std::vector<std::int32_t>> ids = token_ids_of(*found);
  if (!ids) refuse(name, "a list of token ids");
  return *std::move(ids);
}

void RequestFields::ignore(const std::vector<std::string>& names) {
  known_.insert(names.begin(), names.end());
}

void RequestFields::finish() const {
  const std::vector<std::string> known(known_.begin(), known_.end());
  for (const auto& [name, unused] : object_.items()) {
    if (known_.contains(name)) continue;
    const std::string near = did_you_mean(name, known);
    throw ApiError(
        400, "unknown field '" + place_ + escape_controls(name) + "'" + (near.empty() ? "" : "; " + near),
        full_name(name));
  }
}

}  // namespace quiver
