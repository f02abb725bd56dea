#include "http/http_connection.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <chrono>
#include <ctime>
#include <utility>  // before Asio's coroutines

#include "core/log.h"
#include "core/strings.h"

namespace quiver {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kTuple = asio::as_tuple(use_awaitable);
const std::string kContinue = "HTTP/1.1 100 Continue\r\n\r\n", kLastChunk = "0\r\n\r\n", kNothing;
constexpr std::size_t kAheadBytes = 64 << 10;  // of later requests, read while one is answered

std::string date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text.data();
}

int status_of(const error_code& error) {
  if (error == http::error::body_limit) return 413;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
  if (error == asio::error::timed_out) return 408;
  return 400;
}

// The client went, or was closed upon: there is nobody to answer.
bool is_gone(const error_code& error) {
  if (error == asio::error::timed_out) return false;
  return error == http::error::end_of_stream || error == http::error::partial_message ||
         error.category() == boost::system::system_category() ||
         error.category() == asio::error::get_misc_category();
}

std::string describe(const error_code& error, const HttpLimits& limits) {
  switch (status_of(error)) {
    case 413:
      return "the request's body is longer than " + std::to_string(limits.body_bytes) + " bytes";
    case 431:
      return "the request's line and headers are longer than " + std::to_string(limits.header_bytes) +
             " bytes";
    case 408:
      return "the request did not arrive within " + std::to_string(limits.read.count() / 1000) + " s";
    default:
      return "this is no HTTP request: " + error.message();
  }
}

HttpRequest head_of(const http::request<http::string_body>& message, const std::string& client) {
  HttpRequest request{
      .method = std::string(message.method_string()), .path = {}, .headers = {}, .client = client};
  for (const auto& field : message)
    request.headers.push_back({lower_case(std::string(field.name_string())), std::string(field.value())});
  const std::string_view target(message.target().data(), message.target().size());
  request.path = target == "*" ? "*" : path_of_target(target).value_or("");
  return request;
}

}  // namespace

// How an answer is sent, and what of it was.
struct HttpConnection::Reply {
  bool keeps_alive = true;
  bool is_chunked = true;  // HTTP/1.1: a stream's pieces have lengths
  bool has_body = true;    // no answer to HEAD has one
  bool is_stream = false;
  bool is_broken = false;  // cut in the middle
  std::string pause = {};
  Clock::time_point begin = Clock::now();
  HttpRecord record = {};
};

// Ends what is being read when it takes too long, and leaves the stream open for saying so, unlike the
// stream's own limits.
class HttpConnection::Deadline : public std::enable_shared_from_this<Deadline> {
 public:
  Deadline(boost::beast::tcp_stream& stream, std::chrono::milliseconds time)
      : stream_(stream), timer_(stream.get_executor(), time) {}
  void start() {
    timer_.async_wait([weak = weak_from_this()](error_code error) {
      const std::shared_ptr<Deadline> deadline = weak.lock();
      if (error || !deadline) return;
      deadline->is_over_ = true;
      deadline->stream_.cancel();
    });
  }
  bool is_over() const { return is_over_; }

 private:
  boost::beast::tcp_stream& stream_;
  asio::steady_timer timer_;
  bool is_over_ = false;
};

std::shared_ptr<HttpConnection::Deadline> HttpConnection::set_deadline(std::chrono::milliseconds time) {
  stream_.expires_never();
  const auto deadline = std::make_shared<Deadline>(stream_, time);
  deadline->start();
  return deadline;
}

HttpConnection::HttpConnection(HttpShared& shared, asio::ip::tcp::socket socket)
    : shared_(shared), stream_(std::move(socket)), buffer_(shared.limits.header_bytes + kAheadBytes) {
  error_code ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto peer = stream_.socket().remote_endpoint(ignored);
  if (!ignored) client_ = peer.address().to_string(ignored) + ":" + std::to_string(peer.port());
}

void HttpConnection::close() {
  error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  stream_.close();
}

awaitable<void> HttpConnection::run() {
  try {
    while (co_await serve_one()) {
    }
  } catch (const boost::system::system_error&) {  // the client left, or was too slow
  } catch (const std::exception& failure) {
    log_warning("connection of " + client_ + " given up: " + failure.what());
  }
  close();
}

awaitable<void> HttpConnection::turn_away() {
  try {
    const HttpRequest nothing{.method = {}, .path = {}, .headers = {}, .client = client_};
    HttpResponse response = shared_.application->error(503, "too many connections are open");
    co_await refuse(std::move(response), nothing);
  } catch (const std::exception&) {  // who is turned away may leave first
  }
  close();
}

awaitable<bool> HttpConnection::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  if (shared_.is_draining) co_return false;
  is_idle_ = true;
  stream_.expires_after(shared_.limits.idle);
  const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), kTuple);
  is_idle_ = false;
  buffer_.commit(size);
  co_return !error;
}

// GCC 12 destroys some temporaries of a co_await's arguments twice: what is passed has a name, here and
// below.
awaitable<bool> HttpConnection::serve_one() {
  if (!co_await wait_for_request()) co_return false;
  Parser parser;
  parser.header_limit(shared_.limits.header_bytes);
  parser.body_limit(shared_.limits.body_bytes);
  auto late = set_deadline(shared_.limits.read);
  auto [error, size] = co_await http::async_read_header(stream_, buffer_, parser, kTuple);
  if (late->is_over()) error = asio::error::timed_out;
  late.reset();  // body and answer have their own time
  if (error) {
    const HttpRequest unknown{.method = "-", .path = "-", .headers = {}, .client = client_};
    co_await report(error, unknown);
    co_return false;
  }
  HttpRequest request = head_of(parser.get(), client_);
  Reply reply;
  reply.keeps_alive = parser.keep_alive();
  reply.is_chunked = parser.get().version() >= 11;
  reply.has_body = request.method != "HEAD";
  std::optional<HttpResponse> refused;
  if (request.path.empty()) {
    refused = shared_.application->error(400, "the request's target is no path");
  } else if (reply.is_chunked && !request.header("host")) {
    refused = shared_.application->error(400, "an HTTP/1.1 request needs a 'Host' header");
  } else {
    refused = shared_.application->refuse(request);
  }
  if (refused && !parser.is_done()) {
    co_await refuse(*std::move(refused), request);
    co_return false;
  }
  if (refused) {
    co_await send_head(*std::move(refused), reply, false);
    reply.record.is_whole = true;
    finish(request, reply);
    co_return reply.keeps_alive;
  }
  if (!co_await read_body(parser, request)) co_return false;
  request.body = std::move(parser.get().body());
  request.arrived = Clock::now();
  co_return co_await answer(std::move(request), std::move(reply));
}

awaitable<bool> HttpConnection::read_body(Parser& parser, const HttpRequest& head) {
  if (parser.is_done()) co_return true;
  if (const auto expected = head.header("expect")) {
    if (lower_case(std::string(*expected)) != "100-continue") {
      HttpResponse response =
          shared_.application->error(417, "no other 'Expect' than 100-continue can be met");
      co_await refuse(std::move(response), head);
      co_return false;
    }
    if (parser.get().version() >= 11) co_await write(kContinue, kNothing);
  }
  auto late = set_deadline(shared_.limits.read);
  auto [error, size] = co_await http::async_read(stream_, buffer_, parser, kTuple);
  if (late->is_over()) error = asio::error::timed_out;
  late.reset();
  if (!error) co_return true;
  co_await report(error, head);
  co_return false;
}

awaitable<void> HttpConnection::report(error_code error, const HttpRequest& request) {
  if (is_gone(error)) co_return;
  HttpResponse response = shared_.application->error(status_of(error), describe(error, shared_.limits));
  co_await refuse(std::move(response), request);
}

awaitable<bool> HttpConnection::answer(HttpRequest request, Reply reply) {
  const auto answer = std::make_shared<HttpAnswer>(shared_.io, shared_.limits.unsent_bytes);
  // The log needs what stands above the body, which goes to the handler.
  const HttpRequest head{request.method, request.path, request.headers, {}, request.client};
  asio::post(shared_.handlers,
             [application = shared_.application, exchange = make_exchange(std::move(request), answer)] {
               try {
                 application->handle(exchange);
               } catch (const std::exception& failure) {
                 exchange->respond(application->error(500, failure.what()));
               }
             });
  stream_.expires_never();
  {
    using namespace asio::experimental::awaitable_operators;
    co_await (send(*answer, reply) || watch());
  }
  if (!reply.record.is_whole) answer->client_gone();
  answer->close();
  reply.record.notes = answer->notes();
  finish(head, reply);
  co_return reply.record.is_whole&& reply.keeps_alive;
}

void HttpConnection::finish(const HttpRequest& request, Reply& reply) {
  reply.record.seconds = std::chrono::duration<double>(Clock::now() - reply.begin).count();
  shared_.application->done(request, reply.record);
}

// Ends where the answer does, or can go on no more.
awaitable<void> HttpConnection::send(HttpAnswer& answer, Reply& reply) {
  try {
    while (co_await send_next(answer, reply)) {
    }
    reply.record.is_whole = !reply.is_broken;
  } catch (const boost::system::system_error&) {  // the client is gone or too slow
  }
}

awaitable<bool> HttpConnection::send_next(HttpAnswer& answer, Reply& reply) {
  HttpAnswer::Piece piece = answer.take();
  if (piece.is_empty()) {
    co_await wait_for_more(answer, reply);
    co_return true;
  }
  if (piece.is_broken) {
    reply.is_broken = reply.record.status != 0;
    if (reply.is_broken) co_return false;  // cut: the client sees that the end is missing
    piece.head = shared_.application->error(500, "the request was given up");
    piece.is_stream = false;
  }
  if (piece.head) {
    reply.pause = std::move(piece.pause);
    co_await send_head(*std::move(piece.head), reply, piece.is_stream);
  }
  if (!piece.body.empty()) co_await send_piece(piece.body, reply);
  const bool is_end = piece.is_end || piece.is_broken;
  if (is_end && reply.is_stream && reply.is_chunked && reply.has_body) co_await write(kLastChunk, kNothing);
  co_return !is_end;
}

awaitable<void> HttpConnection::wait_for_more(HttpAnswer& answer, Reply& reply) {
  const bool pauses = reply.is_stream && !reply.pause.empty();
  if (pauses) {
    answer.changed().expires_after(shared_.limits.pause);
  } else {
    answer.changed().expires_at(Clock::time_point::max());
  }
  const auto [error] = co_await answer.changed().async_wait(kTuple);
  if (!error && pauses) co_await send_piece(reply.pause, reply);
  // Ended with watch(), not because there is more to take.
  if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
}

// Ends when the client is gone, and takes the stream away under send().
awaitable<void> HttpConnection::watch() {
  asio::ip::tcp::socket& socket = stream_.socket();
  for (;;) {
    const auto [error] = co_await socket.async_wait(asio::ip::tcp::socket::wait_read, kTuple);
    if (error) co_return;
    if (buffer_.size() >= kAheadBytes) {
      asio::steady_timer never(*shared_.io, Clock::time_point::max());
      co_await never.async_wait(kTuple);
      co_return;
    }
    const auto space = buffer_.prepare(kAheadBytes - buffer_.size());
    const ssize_t size = ::recv(socket.native_handle(), space.data(), space.size(), MSG_DONTWAIT);
    if (size > 0) {
      buffer_.commit(static_cast<std::size_t>(size));
    } else if (size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
      stream_.close();
      co_return;
    }
  }
}

awaitable<void> HttpConnection::send_head(HttpResponse head, Reply& reply, bool is_stream) {
  reply.is_stream = is_stream;
  reply.record.status = head.status;
  const bool is_delimited = !is_stream || reply.is_chunked;
  reply.keeps_alive = reply.keeps_alive && is_delimited && !shared_.is_draining;
  std::string text = "HTTP/1.1 " + std::to_string(head.status) + " " +
                     std::string(reason_phrase(head.status)) + "\r\nDate: " + date() + "\r\n";
  for (const HttpHeader& header : head.headers) text += header.name + ": " + header.value + "\r\n";
  if (is_stream || !head.body.empty()) text += "Content-Type: " + head.content_type + "\r\n";
  if (!is_stream && head.status != 204)
    text += "Content-Length: " + std::to_string(head.body.size()) + "\r\n";
  if (is_stream && reply.is_chunked) text += "Transfer-Encoding: chunked\r\n";
  text += reply.keeps_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (!reply.has_body) head.body.clear();
  reply.record.bytes += head.body.size();
  co_await write(text, head.body);
}

awaitable<void> HttpConnection::send_piece(const std::string& piece, Reply& reply) {
  if (!reply.has_body) co_return;
  reply.record.bytes += piece.size();
  if (!reply.is_chunked) {
    co_await write(piece, kNothing);
    co_return;
  }
  std::array<char, 20> digits{};
  std::snprintf(digits.data(), digits.size(), "%zx\r\n", piece.size());
  const std::string size = digits.data(), content = piece + "\r\n";
  co_await write(size, content);
}

awaitable<void> HttpConnection::write(const std::string& first, const std::string& second) {
  stream_.expires_after(shared_.limits.write);
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(first), asio::buffer(second)};
  co_await asio::async_write(stream_, parts, use_awaitable);
}

awaitable<void> HttpConnection::refuse(HttpResponse response, const HttpRequest& request) {
  Reply reply;
  reply.keeps_alive = false;
  reply.has_body = request.method != "HEAD";
  co_await send_head(std::move(response), reply, false);
  reply.record.is_whole = true;
  if (!request.method.empty()) finish(request, reply);
  co_await linger();
}

// A socket closed over bytes that nobody read resets the connection, and the client may lose the answer.
awaitable<void> HttpConnection::linger() {
  error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.expires_after(std::chrono::seconds(2));
  std::array<char, 16384> bin{};
  for (std::size_t read = 0; read < (4u << 20);) {
    const auto [error, size] = co_await stream_.async_read_some(asio::buffer(bin), kTuple);
    if (error) co_return;
    read += size;
  }
}

}  // namespace quiver
