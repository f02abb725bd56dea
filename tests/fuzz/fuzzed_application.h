#pragma once

#include <string>
#include <vector>

#include "protocol/api_error.h"
#include "protocol/completion_request.h"
#include "protocol/request_json.h"
#include "server/routes.h"

namespace quiver::test {

// The server's routes and parsers without its models: a completion is answered with its prompts' number, or
// streamed a piece a prompt.
class FuzzedApplication : public HttpApplication {
 public:
  struct Done {
    std::string method;
    HttpRecord record;
  };

  FuzzedApplication() {
    routes_.add(whole_route("GET", "/health", [](const HttpRequest&) { return HttpResponse{.body = "{}"}; }));
    routes_.add({"POST", "/v1/completions", complete});
  }

  // The requests since the last call.
  std::vector<Done> take_done() { return std::exchange(done_, {}); }

  std::optional<HttpResponse> refuse(const HttpRequest& head) override { return routes_.refuse(head); }
  void handle(std::shared_ptr<HttpExchange> exchange) override { routes_.handle(exchange); }
  HttpResponse error(int status, const std::string& message) override {
    return to_response(ApiError(status, message));
  }
  void done(const HttpRequest& request, const HttpRecord& record) override {
    done_.push_back({request.method, record});
  }

 private:
  static void complete(const std::shared_ptr<HttpExchange>& exchange) {
    const CompletionRequest request = CompletionRequest::parse(parse_request(exchange->request().body));
    const std::string number = std::to_string(request.prompts.size());
    if (request.common.stream == StreamMode::kWhole) {
      exchange->respond({.body = number});
      return;
    }
    exchange->begin_stream({.content_type = "text/event-stream"}, ": wait\n\n");
    for (std::size_t i = 0; i < request.prompts.size(); ++i) exchange->write("data: " + number + "\n\n");
    exchange->end_stream();
  }

  Routes routes_;
  std::vector<Done> done_;
};

}  // namespace quiver::test
