#include "http/http_server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>
#include <utility>  // before Asio's coroutines

#include "http/http_connection.h"
#include "quiver/error.h"

namespace quiver {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class HttpServer::State {
 public:
  State(HttpServerOptions options, HttpApplication& application)
      : io_(std::make_shared<asio::io_context>(1)),
        handlers_(options.handlers),
        acceptor_(*io_),
        shared_{io_, handlers_.get_executor(), &application, options.limits} {
    listen(options);
  }
  ~State() { handlers_.join(); }

  const std::string& address() const { return address_; }
  std::uint16_t port() const { return port_; }

  void run() {
    asio::co_spawn(*io_, accept(), asio::detached);
    io_->run();
  }

  void drain() {
    asio::post(*io_, [this] {
      shared_.is_draining = true;
      close_acceptor();
      for (HttpConnection* connection : std::set(connections_)) {
        if (connection->is_idle()) connection->close();
      }
    });
  }

  void stop() {
    asio::post(*io_, [this] {
      shared_.is_draining = true;
      close_acceptor();
      for (HttpConnection* connection : std::set(connections_)) connection->close();
    });
  }

 private:
  void listen(const HttpServerOptions& options);
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(tcp::socket socket);
  void close_acceptor() {
    error_code ignored;
    acceptor_.close(ignored);
  }

  const std::shared_ptr<asio::io_context> io_;
  asio::thread_pool handlers_;
  tcp::acceptor acceptor_;
  std::string address_;
  std::uint16_t port_ = 0;
  HttpShared shared_;
  std::set<HttpConnection*> connections_;
};

void HttpServer::State::listen(const HttpServerOptions& options) {
  const std::string place = "'" + options.host + "', port " + std::to_string(options.port);
  try {
    tcp::resolver resolver(*io_);
    const auto found = resolver.resolve(options.host, std::to_string(options.port),
                                        tcp::resolver::passive | tcp::resolver::numeric_service);
    const tcp::endpoint wanted = found.begin()->endpoint();
    acceptor_.open(wanted.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(wanted);
    acceptor_.listen(1024);
    port_ = acceptor_.local_endpoint().port();
    const std::string host = wanted.address().to_string();
    address_ = (wanted.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port_);
  } catch (const boost::system::system_error& failure) {
    throw Error(ErrorKind::kIo, "cannot listen on " + place + ": " + failure.code().message(),
                "--host names an address of this machine, --port 0 takes any port that is free");
  }
}

asio::awaitable<void> HttpServer::State::accept() {
  constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
  while (acceptor_.is_open()) {
    auto [error, socket] = co_await acceptor_.async_accept(kTuple);
    if (!error) {
      asio::co_spawn(*io_, serve(std::move(socket)), asio::detached);
    } else if (acceptor_.is_open()) {  // no descriptor is left, say: some will be
      asio::steady_timer pause(*io_, std::chrono::milliseconds(50));
      co_await pause.async_wait(kTuple);
    }
  }
}

asio::awaitable<void> HttpServer::State::serve(tcp::socket socket) {
  if (connections_.size() >= 2 * shared_.limits.connections) co_return;
  HttpConnection connection(shared_, std::move(socket));
  const bool is_welcome = connections_.size() < shared_.limits.connections;
  connections_.insert(&connection);
  if (is_welcome) {
    co_await connection.run();
  } else {
    co_await connection.turn_away();
  }
  connections_.erase(&connection);
}

HttpServer::HttpServer(HttpServerOptions options, HttpApplication& application)
    : state_(std::make_shared<State>(std::move(options), application)) {}

HttpServer::~HttpServer() = default;

std::string HttpServer::address() const { return state_->address(); }
std::uint16_t HttpServer::port() const { return state_->port(); }
void HttpServer::run() { state_->run(); }
void HttpServer::drain() { state_->drain(); }
void HttpServer::stop() { state_->stop(); }

}  // namespace quiver
