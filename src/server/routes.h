#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/http_message.h"

namespace quiver {

using ExchangeHandler = std::function<void(const std::shared_ptr<HttpExchange>&)>;
using WholeHandler = std::function<HttpResponse(const HttpRequest&)>;

// An endpoint.
struct Route {
  std::string method;  // "GET" answers HEAD, too
  std::string path;    // "/v1/models"; at its end "/*" stands for anything
  ExchangeHandler handler;
  enum class Key { kNeeded, kNotNeeded } key = Key::kNeeded;
};

// An endpoint whose answer is made at once.
Route whole_route(std::string method, std::string path, WholeHandler handler,
                  Route::Key key = Route::Key::kNeeded);

// The endpoints of a server. Handlers may throw: what they throw is the answer (api_error_of).
class Routes {
 public:
  void add(Route route) { routes_.push_back(std::move(route)); }

  // The route of a request; null where refuse() has an answer.
  const Route* find(const HttpRequest& request) const;
  // 404, 405 and 415, and the answer to OPTIONS.
  std::optional<HttpResponse> refuse(const HttpRequest& head) const;
  // REQUIRES: refuse() has nothing to say.
  void handle(const std::shared_ptr<HttpExchange>& exchange) const;

 private:
  std::vector<std::string> methods_of(const std::string& path) const;

  std::vector<Route> routes_;
};

}  // namespace quiver
