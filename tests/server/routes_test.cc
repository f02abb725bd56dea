#include "server/routes.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "protocol/api_error.h"
#include "server/kept_exchange.h"

namespace quiver {
namespace {

using test::KeptExchange;

HttpRequest request(const std::string& method, const std::string& path, const std::string& type = {}) {
  HttpRequest request{.method = method, .path = path, .headers = {}};
  if (!type.empty()) request.headers.push_back({"content-type", type});
  return request;
}

Routes example() {
  Routes routes;
  routes.add(
      whole_route("GET", "/v1/models", [](const HttpRequest&) { return HttpResponse{.body = "list"}; }));
  routes.add(
      whole_route("GET", "/v1/models/*", [](const HttpRequest& r) { return HttpResponse{.body = r.path}; }));
  routes.add(whole_route("POST", "/v1/completions", [](const HttpRequest&) -> HttpResponse {
    throw ApiError(400, "'prompt' is missing", "prompt");
  }));
  return routes;
}

std::string answer(const Routes& routes, const HttpRequest& request) {
  if (const std::optional<HttpResponse> refused = routes.refuse(request))
    return std::to_string(refused->status) + " " +
           (refused->body.empty() ? ""
                                  : Json::parse(refused->body).at("error").at("message").get<std::string>());
  const auto exchange = std::make_shared<KeptExchange>(request);
  routes.handle(exchange);
  return std::to_string(exchange->response().status) + " " + exchange->response().body;
}

TEST(Routes, FindTheirHandlers) {
  const Routes routes = example();
  EXPECT_EQ(answer(routes, request("GET", "/v1/models")), "200 list");
  EXPECT_EQ(answer(routes, request("HEAD", "/v1/models")), "200 list");
  EXPECT_EQ(answer(routes, request("GET", "/v1/models/expert:a/b")), "200 /v1/models/expert:a/b");
  EXPECT_EQ(answer(routes, request("POST", "/v1/completions", "Application/JSON; charset=utf-8")),
            "400 {\"error\":{\"code\":null,\"message\":\"'prompt' is "
            "missing\",\"param\":\"prompt\",\"type\":\"invalid_"
            "request_error\"}}");
}

TEST(Routes, SayWhatIsWrongWithTheRequestsHead) {
  const Routes routes = example();
  EXPECT_EQ(answer(routes, request("GET", "/v1/completion")),
            "404 there is no '/v1/completion' here; did you mean '/v1/completions'?");
  EXPECT_EQ(answer(routes, request("GET", "/v1/models/")),
            "404 there is no '/v1/models/' here; did you mean '/v1/models'?");
  EXPECT_EQ(answer(routes, request("GET", "/v1/completions")),
            "405 /v1/completions takes OPTIONS, POST, not GET");
  EXPECT_EQ(answer(routes, request("DELETE", "/v1/models/x")),
            "405 /v1/models/x takes GET, HEAD, OPTIONS, not DELETE");
  EXPECT_EQ(answer(routes, request("POST", "/v1/completions")),
            "415 the body must be JSON, with the header 'Content-Type: application/json'");
  EXPECT_EQ(answer(routes, request("POST", "/v1/completions", "text/plain")),
            "415 the body must be JSON, with the header 'Content-Type: application/json', not 'text/plain'");
  HttpRequest packed = request("POST", "/v1/completions", "application/json");
  packed.headers.push_back({"content-encoding", "gzip"});
  EXPECT_EQ(answer(routes, packed), "415 a body in 'Content-Encoding: gzip' is not read");
}

TEST(Routes, AnswerOptions) {
  const std::optional<HttpResponse> response = example().refuse(request("OPTIONS", "/v1/models"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 204);
  EXPECT_EQ(response->headers[0].value, "GET, HEAD, OPTIONS");
  EXPECT_EQ(response->headers.size(), 1u);  // no other origin is let in
  EXPECT_EQ(example().refuse(request("OPTIONS", "*"))->headers[0].value, "GET, HEAD, OPTIONS, POST");
}

}  // namespace
}  // namespace quiver
