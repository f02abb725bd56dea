#include "server/server_context.h"

#include "core/strings.h"

namespace quiver {

std::string client_of(const HttpRequest& request, bool has_keys) {
  if (const auto key = request.header("authorization"); key && has_keys)
    return std::string(key->substr(key->find(' ') + 1));
  return request.client.substr(0, request.client.rfind(':'));
}

std::optional<std::chrono::steady_clock::time_point> deadline_of(const ServerContext& context,
                                                                 const HttpRequest& request) {
  if (!context.request_timeout) return std::nullopt;
  return request.arrived + *context.request_timeout;
}

ApiError timeout_error(const ServerContext& context) {
  const double seconds = std::chrono::duration<double>(context.request_timeout.value()).count();
  return {504,
          "the request was not done within the " + number_text(seconds) +
              " s that this server gives it (--request-timeout)",
          {},
          "request_timeout"};
}

}  // namespace quiver
