#include "protocol/request_json.h"

#include <set>
#include <string>
#include <vector>

#include "core/strings.h"
#include "protocol/api_error.h"

namespace quiver {
namespace {

constexpr std::size_t kMaxDepth = 100;

// Looks for what the library's own parser takes in silence: names that come twice, and deep nesting, over
// which it recurses when a value is copied.
class Inspection : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (names_.back().insert(name).second) return true;
    throw ApiError(400, "the request's JSON has '" + escape_controls(name) + "' twice", name);
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    const std::string text = error.what();  // "[json.exception.parse_error.101] parse error at line 1, ..."
    const std::size_t end = text.find("] ");
    throw ApiError(400, "the request's body is not valid JSON: " +
                            escape_controls(end == std::string::npos ? text : text.substr(end + 2)));
  }

 private:
  bool enter() {
    if (names_.size() == kMaxDepth)
      throw ApiError(400,
                     "the request's JSON is nested deeper than " + std::to_string(kMaxDepth) + " levels");
    names_.emplace_back();
    return true;
  }
  bool leave() {
    names_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> names_;  // of the objects around; none of an array
};

}  // namespace

Json parse_request(std::string_view body) {
  if (body.empty()) throw ApiError(400, "the request has no body; a JSON object is expected");
  Inspection inspection;
  Json::sax_parse(body, &inspection);
  Json json = Json::parse(body);
  if (!json.is_object())
    throw ApiError(400, std::string("the request's body is not a JSON object, but: ") + json.type_name());
  return json;
}

}  // namespace quiver
