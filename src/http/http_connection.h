#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <string>

#include "http/http_answer.h"
#include "http/http_server.h"

namespace quiver {

// What all connections of a server share.
struct HttpShared {
  std::shared_ptr<boost::asio::io_context> io;
  boost::asio::any_io_executor handlers;  // runs HttpApplication::handle
  HttpApplication* application;
  HttpLimits limits;
  bool is_draining = false;
};

// One client: its requests, one after the other. On the server's thread.
class HttpConnection {
 public:
  HttpConnection(HttpShared& shared, boost::asio::ip::tcp::socket socket);

  // Serves until one side has enough; throws nothing.
  boost::asio::awaitable<void> run();
  // Answers 503 and closes.
  boost::asio::awaitable<void> turn_away();

  bool is_idle() const { return is_idle_; }
  void close();  // run() then ends soon

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  struct Reply;
  class Deadline;

  std::shared_ptr<Deadline> set_deadline(std::chrono::milliseconds time);
  boost::asio::awaitable<bool> serve_one();  // whether there may be another
  boost::asio::awaitable<bool> wait_for_request();
  boost::asio::awaitable<bool> read_body(Parser& parser, const HttpRequest& head);
  boost::asio::awaitable<bool> answer(HttpRequest request, Reply reply);
  boost::asio::awaitable<void> send(HttpAnswer& answer, Reply& reply);
  boost::asio::awaitable<bool> send_next(HttpAnswer& answer, Reply& reply);  // whether there is more
  boost::asio::awaitable<void> watch();
  boost::asio::awaitable<void> wait_for_more(HttpAnswer& answer, Reply& reply);
  boost::asio::awaitable<void> send_head(HttpResponse head, Reply& reply, bool is_stream);
  boost::asio::awaitable<void> send_piece(const std::string& piece, Reply& reply);
  boost::asio::awaitable<void> write(const std::string& first, const std::string& second);
  void finish(const HttpRequest& request, Reply& reply);  // tells the application
  boost::asio::awaitable<void> report(boost::system::error_code error, const HttpRequest& request);
  // Says what was wrong, lets the client read it, and closes.
  boost::asio::awaitable<void> refuse(HttpResponse response, const HttpRequest& request);
  boost::asio::awaitable<void> linger();

  HttpShared& shared_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::string client_;
  bool is_idle_ = true;
};

}  // namespace quiver
