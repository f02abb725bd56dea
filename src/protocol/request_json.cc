#include "protocol/request_json.h"

#include "core/strings.h"
#include "protocol/api_error.h"

namespace quiver {
namespace {

class RequestBuilder : public OrderedJsonBuilder {
 public:
  RequestBuilder() : OrderedJsonBuilder(kMaxDepth) {}

 private:
  [[noreturn]] void refuse(Problem problem, const std::string& detail) override {
    if (problem == Problem::kNameTwice)
      throw ApiError(400, "the request's JSON has '" + escape_controls(detail) + "' twice", detail);
    if (problem == Problem::kTooDeep)
      throw ApiError(400,
                     "the request's JSON is nested deeper than " + std::to_string(kMaxDepth) + " levels");
    // "[json.exception.parse_error.101] parse error at line 1, ..."
    const std::size_t end = detail.find("] ");
    throw ApiError(400, "the request's body is not valid JSON: " +
                            escape_controls(end == std::string::npos ? detail : detail.substr(end + 2)));
  }

  static constexpr std::size_t kMaxDepth = 100;
};

}  // namespace

OrderedJson parse_request(std::string_view body) {
  if (body.empty()) throw ApiError(400, "the request has no body; a JSON object is expected");
  OrderedJson json = RequestBuilder().build(body);
  if (!json.is_object())
    throw ApiError(400, std::string("the request's body is not a JSON object, but: ") + json.type_name());
  return json;
}

}  // namespace quiver
