#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quiver {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;               // "GET"
  std::string path;                 // without the query, percent-decoded
  std::vector<HttpHeader> headers;  // names in lower case
  std::string body = {};
  std::string client = {};                             // address and port
  std::chrono::steady_clock::time_point arrived = {};  // when its last byte had been read

  // The value of the first header of this name, which is in lower case; none where there is none.
  std::optional<std::string_view> header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<HttpHeader> headers = {};  // beside Content-Type, Content-Length, Date and Connection
};

// "Not Found" for 404; "Unknown" for a status that no standard names.
std::string_view reason_phrase(int status);

// The path of a request's target, its %XX decoded; none for what is no path (no "/" in front, a broken or a
// zero byte behind '%').
std::optional<std::string> path_of_target(std::string_view target);

// One request and the way to its answer: respond(), or begin_stream(), write() and end_stream(). Any thread
// may use it. One that is dropped before its answer is whole makes the connection answer 500, or cut the
// stream.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  virtual const HttpRequest& request() const = 0;

  virtual void respond(HttpResponse response) = 0;

  // `pause`, if not empty, is sent whenever nothing else was for HttpLimits::pause_seconds.
  virtual void begin_stream(HttpResponse head, std::string pause = {}) = 0;
  // False once nobody reads any more: the client is gone, or more is waiting for it than HttpLimits allows.
  virtual bool write(std::string_view piece) = 0;
  virtual void end_stream() = 0;

  // Called once, on the thread that does the input and output, when the client leaves before its answer is
  // whole; at once where it has left. Must not block, nor own the exchange.
  virtual void on_gone(std::function<void()> call) = 0;

  // Something that belongs into the request's line of the log.
  virtual void note(std::string name, std::string value) = 0;
};

// What became of a request.
struct HttpRecord {
  int status = 0;         // 0: the client left before there was one
  std::size_t bytes = 0;  // of the answer's body
  double seconds = 0;
  bool is_whole = false;  // the answer reached its end
  std::vector<std::pair<std::string, std::string>> notes = {};
};

// What stands behind an HttpServer.
class HttpApplication {
 public:
  virtual ~HttpApplication() = default;

  // An answer that needs no body, before one is read (401, 404, 405, ...); none: the request is welcome. On
  // the server's thread.
  virtual std::optional<HttpResponse> refuse(const HttpRequest& head) = 0;
  // On a thread of the server's pool. What it throws becomes 500.
  virtual void handle(std::shared_ptr<HttpExchange> exchange) = 0;
  // The answer to what is no proper request, or to a failure of ours: 400, 408, 413, 417, 431, 500, 503.
  virtual HttpResponse error(int status, const std::string& message) = 0;
  // Every request once, on the server's thread.
  virtual void done(const HttpRequest& request, const HttpRecord& record) = 0;
};

}  // namespace quiver
