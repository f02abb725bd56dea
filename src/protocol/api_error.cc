#include "protocol/api_error.h"

#include "core/json.h"

namespace quiver {
namespace {

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
    case ErrorKind::kUnsupported:
      return 400;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kStale:
      return 409;
    case ErrorKind::kBusy:
      return 429;
    case ErrorKind::kInterrupted:
    case ErrorKind::kUnavailable:
      return 503;
    case ErrorKind::kCorruptFile:
    case ErrorKind::kIo:
    case ErrorKind::kNotFinite:
      return 500;
  }
  return 500;
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

std::string ApiError::type() const {
  switch (status_) {
    case 401:
      return "authentication_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "service_unavailable_error";
    case 504:
      return "timeout_error";
    default:
      return status_ < 500 ? "invalid_request_error" : "server_error";
  }
}

Json to_json(const ApiError& error) {
  return {{"error",
           {{"message", error.what()},
            {"type", error.type()},
            {"param", or_null(error.param())},
            {"code", or_null(error.code())}}}};
}

HttpResponse to_response(const ApiError& error) {
  HttpResponse response{.status = error.status(), .body = dump_json(to_json(error))};
  if (error.status() == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  if (error.status() == 429 || error.status() == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

ApiError api_error_of(const std::exception& failure) {
  if (const auto* error = dynamic_cast<const ApiError*>(&failure)) return *error;
  if (const auto* error = dynamic_cast<const Error*>(&failure)) {
    const std::string hint = error->hint().empty() ? "" : " (" + error->hint() + ")";
    return {status_of(error->kind()), error->what() + hint};
  }
  if (dynamic_cast<const std::bad_alloc*>(&failure) != nullptr) return {503, "there is not enough memory"};
  const std::string text = failure.what();
  return {500, text.substr(0, text.find('\n'))};
}

}  // namespace quiver
