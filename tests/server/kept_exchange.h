#pragma once

#include <functional>
#include <string>
#include <utility>

#include "http/http_message.h"

namespace quiver::test {

// An exchange whose answer a test reads.
class KeptExchange : public HttpExchange {
 public:
  explicit KeptExchange(HttpRequest request) : request_(std::move(request)) {}
  const HttpRequest& request() const override { return request_; }
  void respond(HttpResponse response) override { response_ = std::move(response); }
  void begin_stream(HttpResponse, std::string) override {}
  bool write(std::string_view) override { return true; }
  void end_stream() override {}
  void on_gone(std::function<void()>) override {}
  void note(std::string, std::string) override {}
  const HttpResponse& response() const { return response_; }

 private:
  const HttpRequest request_;
  HttpResponse response_;
};

}  // namespace quiver::test
