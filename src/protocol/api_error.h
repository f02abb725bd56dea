#pragma once

#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>

#include "http/http_message.h"
#include "quiver/error.h"

namespace quiver {

// A request that cannot be answered, as OpenAI's clients read it.
class ApiError : public std::runtime_error {
 public:
  // `param`: the request's field that is to blame; `code`: one of OpenAI's, where it has one.
  ApiError(int status, const std::string& message, std::string param = {}, std::string code = {})
      : std::runtime_error(message), status_(status), param_(std::move(param)), code_(std::move(code)) {}

  int status() const { return status_; }
  const std::string& param() const { return param_; }
  const std::string& code() const { return code_; }
  std::string type() const;  // of the status: "invalid_request_error", ...

 private:
  int status_;
  std::string param_;
  std::string code_;
};

// {"error": {"message", "type", "param", "code"}}.
nlohmann::json to_json(const ApiError& error);
HttpResponse to_response(const ApiError& error);

// A failure as the answer to a request: ApiError as it is; an Error by its kind, with its hint; all else is
// 500.
ApiError api_error_of(const std::exception& failure);

}  // namespace quiver
