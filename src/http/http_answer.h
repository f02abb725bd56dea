#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "http/http_message.h"

namespace quiver {

// Takes an answer from whatever thread makes it to the server's thread, which sends it.
class HttpAnswer : public std::enable_shared_from_this<HttpAnswer> {
 public:
  HttpAnswer(std::shared_ptr<boost::asio::io_context> io, std::size_t unsent_bytes)
      : io_(std::move(io)), unsent_bytes_(unsent_bytes), changed_(*io_) {}

  // What there is to send now.
  struct Piece {
    std::optional<HttpResponse> head = {};  // with its body where the answer is no stream
    std::string body = {};                  // of a stream
    std::string pause = {};                 // HttpExchange::begin_stream
    bool is_stream = false;
    bool is_end = false;     // nothing comes after it
    bool is_broken = false;  // given up: dropped, or the reader too far behind
    bool is_empty() const { return !head && body.empty() && !is_end && !is_broken; }
  };

  // Any thread.
  void respond(HttpResponse response);
  void begin_stream(HttpResponse head, std::string pause);
  bool write(std::string_view piece);
  void end_stream();
  void on_gone(std::function<void()> call);
  void note(std::string name, std::string value);
  void abandon();  // the exchange was dropped

  // The server's thread.
  Piece take();
  boost::asio::steady_timer& changed() { return changed_; }  // cancelled when there is more to take
  void client_gone();  // calls what on_gone() was given, if the answer is not whole
  void close();        // nothing is sent any more, and nobody told
  std::vector<std::pair<std::string, std::string>> notes();

 private:
  void notify() QUIVER_REQUIRES(mutex_);

  const std::shared_ptr<boost::asio::io_context> io_;
  const std::size_t unsent_bytes_;

  // The server's thread alone.
  boost::asio::steady_timer changed_;

  Mutex mutex_;
  Piece next_ QUIVER_GUARDED_BY(mutex_);
  std::size_t longest_ QUIVER_GUARDED_BY(mutex_) = 0;  // of the pieces so far, bytes
  bool has_head_ QUIVER_GUARDED_BY(mutex_) = false;
  bool has_end_ QUIVER_GUARDED_BY(mutex_) = false;
  bool is_gone_ QUIVER_GUARDED_BY(mutex_) = false;
  bool is_told_ QUIVER_GUARDED_BY(mutex_) = false;
  std::function<void()> gone_ QUIVER_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> notes_ QUIVER_GUARDED_BY(mutex_);
};

// The exchange of an answer, as the application holds it.
std::shared_ptr<HttpExchange> make_exchange(HttpRequest request, std::shared_ptr<HttpAnswer> answer);

}  // namespace quiver
