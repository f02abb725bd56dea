#include "server/routes.h"

#include <set>

#include "core/strings.h"
#include "protocol/api_error.h"

namespace quiver {
namespace {

bool fits(const Route& route, const std::string& path) {
  if (!route.path.ends_with("/*")) return route.path == path;
  const std::string_view beginning = std::string_view(route.path).substr(0, route.path.size() - 1);
  return path.size() > beginning.size() && path.starts_with(beginning);
}

// A page of another origin cannot send this type without asking first, which is refused.
std::optional<HttpResponse> refuse_body(const HttpRequest& head) {
  const std::string type = lower_case(std::string(head.header("content-type").value_or("")));
  const std::vector<std::string> parts = split_list(type, ';');
  if (parts.empty() || parts.front() != "application/json") {
    std::string problem = "the body must be JSON, with the header 'Content-Type: application/json'";
    if (!type.empty()) problem += ", not '" + escape_controls(type) + "'";
    return to_response(ApiError(415, problem));
  }
  if (const auto encoding = head.header("content-encoding"); encoding && *encoding != "identity")
    return to_response(
        ApiError(415, "a body in 'Content-Encoding: " + escape_controls(*encoding) + "' is not read"));
  return std::nullopt;
}

}  // namespace

Route whole_route(std::string method, std::string path, WholeHandler handler, Route::Key key) {
  return {std::move(method), std::move(path),
          [handler = std::move(handler)](const std::shared_ptr<HttpExchange>& exchange) {
            exchange->respond(handler(exchange->request()));
          },
          key};
}

const Route* Routes::find(const HttpRequest& request) const {
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  for (const Route& route : routes_) {
    if (route.method == method && fits(route, request.path)) return &route;
  }
  return nullptr;
}

std::vector<std::string> Routes::methods_of(const std::string& path) const {
  std::set<std::string> methods;
  for (const Route& route : routes_) {
    if (path != "*" && !fits(route, path)) continue;
    methods.insert({route.method, "OPTIONS"});
    if (route.method == "GET") methods.insert("HEAD");
  }
  return {methods.begin(), methods.end()};
}

std::optional<HttpResponse> Routes::refuse(const HttpRequest& head) const {
  const std::vector<std::string> methods = methods_of(head.path);
  if (methods.empty()) {
    std::vector<std::string> paths;
    for (const Route& route : routes_) {
      if (!route.path.ends_with('*')) paths.push_back(route.path);
    }
    std::string problem = "there is no '" + escape_controls(head.path) + "' here";
    const std::string near = did_you_mean(head.path, paths);
    if (!near.empty()) problem += "; " + near;
    return to_response(ApiError(404, problem));
  }
  const HttpHeader allow{"Allow", join(methods, ", ")};
  if (head.method == "OPTIONS") return HttpResponse{.status = 204, .headers = {allow}};
  if (find(head) == nullptr) {
    std::string problem = escape_controls(head.path);
    problem += " takes " + allow.value + ", not " + escape_controls(head.method);
    HttpResponse response = to_response(ApiError(405, problem));
    response.headers.push_back(allow);
    return response;
  }
  return head.method == "POST" ? refuse_body(head) : std::nullopt;
}

void Routes::handle(const std::shared_ptr<HttpExchange>& exchange) const {
  try {
    find(exchange->request())->handler(exchange);
  } catch (const std::exception& failure) {
    exchange->respond(to_response(api_error_of(failure)));
  }
}

}  // namespace quiver
