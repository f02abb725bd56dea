#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "fuzz/fuzzed_application.h"

namespace quiver::test {

// Reads the bytes that a server sent as strictly as RFC 9112 allows, one reply for each request that it says
// to have answered; "" where everything is in order, or what is wrong.
class ReplyReader {
 public:
  explicit ReplyReader(std::string_view seen) : left_(seen) {}

  struct Reply {
    int status = 0;
    std::string body = {};
    bool keeps_alive = false;
  };
  const std::vector<Reply>& replies() const { return replies_; }

  std::string problem_with(const std::vector<FuzzedApplication::Done>& requests) {
    bool keeps_alive = true;
    for (const FuzzedApplication::Done& request : requests) {
      if (!keeps_alive) return "a reply follows the one that closes the connection";
      if (!request.record.is_whole) return "a reply was cut";
      if (const std::string problem = read(request); !problem.empty()) return problem;
      keeps_alive = replies_.back().keeps_alive;
    }
    while (take("HTTP/1.1 100 Continue\r\n\r\n")) {
    }
    return left_.empty() ? "" : "bytes behind the last reply: " + std::string(left_.substr(0, 80));
  }

 private:
  bool take(std::string_view text) {
    if (!left_.starts_with(text)) return false;
    left_.remove_prefix(text.size());
    return true;
  }
  std::optional<std::string_view> take_line() {
    const std::size_t end = left_.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = left_.substr(0, end);
    left_.remove_prefix(end + 2);
    return line;
  }

  std::string read(const FuzzedApplication::Done& request) {
    while (take("HTTP/1.1 100 Continue\r\n\r\n")) {
    }
    Reply reply{.status = request.record.status};
    if (!take("HTTP/1.1 " + std::to_string(reply.status) + " ")) return "another status line than the record";
    if (take("Unknown\r\n")) return "a status without a name";
    take_line();
    std::optional<std::size_t> length;
    bool is_chunked = false;
    for (;;) {
      const std::optional<std::string_view> line = take_line();
      if (!line) return "the headers have no end";
      if (line->empty()) break;
      if (line->find(": ") == std::string_view::npos) return "a broken header: " + std::string(*line);
      if (line->starts_with("Content-Length: ")) length = std::stoul(std::string(line->substr(16)));
      is_chunked = is_chunked || *line == "Transfer-Encoding: chunked";
      reply.keeps_alive = reply.keeps_alive || *line == "Connection: keep-alive";
    }
    if (length && is_chunked) return "a length beside chunks";
    const bool has_body = request.method != "HEAD" && reply.status != 204;
    std::string problem = has_body ? read_body(reply, length, is_chunked) : "";
    if (problem.empty() && has_body) problem = problem_of_error(reply);
    replies_.push_back(reply);
    return problem;
  }

  std::string read_body(Reply& reply, std::optional<std::size_t> length, bool is_chunked) {
    if (is_chunked) return read_chunks(reply);
    if (!length && reply.keeps_alive) return "a body without an end";
    const std::size_t size = length.value_or(left_.size());
    if (size > left_.size()) return "a body is too short";
    reply.body = left_.substr(0, size);
    left_.remove_prefix(size);
    return "";
  }

  std::string read_chunks(Reply& reply) {
    for (;;) {
      const std::optional<std::string_view> line = take_line();
      if (!line || line->empty() || line->find_first_not_of("0123456789abcdef") != std::string_view::npos)
        return "a broken chunk";
      const std::size_t size = std::stoul(std::string(*line), nullptr, 16);
      if (size > left_.size()) return "a chunk is too short";
      reply.body += left_.substr(0, size);
      left_.remove_prefix(size);
      if (!take("\r\n")) return "a chunk without an end";
      if (size == 0) return "";
    }
  }

  // Errors have OpenAI's form, a message in one line, and are never ours.
  static std::string problem_of_error(const Reply& reply) {
    if (reply.status < 400) return "";
    if (reply.status >= 500) return "a failure of ours: " + reply.body;
    const Json json = Json::parse(reply.body, nullptr, false);
    if (json.is_discarded() || !json.contains("error")) return "an error in another form: " + reply.body;
    const std::string message = json["error"].value("message", "");
    if (message.empty()) return "an error without a message";
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    return std::ranges::any_of(message, is_control) ? "an error in several lines: " + message : "";
  }

  std::string_view left_;
  std::vector<Reply> replies_;
};

}  // namespace quiver::test
