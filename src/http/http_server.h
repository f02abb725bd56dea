#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "http/http_message.h"

namespace quiver {

// What one client may take. A request beyond a size gets 413 or 431, one that is too slow 408.
struct HttpLimits {
  std::size_t connections = 1024;         // open at one time; more get 503
  std::uint32_t header_bytes = 16 << 10;  // request line and headers
  std::uint64_t body_bytes = 16 << 20;
  std::size_t unsent_bytes = 1 << 20;       // of a stream; a reader that is further behind is cut off
  std::chrono::milliseconds idle{120'000};  // without a request
  std::chrono::milliseconds read{30'000};   // for the headers, and again for the body
  std::chrono::milliseconds write{30'000};  // for a client to take what is sent
  std::chrono::milliseconds pause{10'000};  // see HttpExchange::begin_stream
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address of this machine, or a name of one
  std::uint16_t port = 0;          // 0: any that is free
  std::size_t handlers = 2;        // threads that run HttpApplication::handle
  HttpLimits limits = {};
};

// HTTP/1.0 and 1.1 for many clients: one thread does all input and output, a few run the application's
// handlers. No TLS.
class HttpServer {
 public:
  // Listens from now on, and answers once run() is called. The application must outlive the server. Throws
  // Error(kIo) with host and port where that is not possible.
  HttpServer(HttpServerOptions options, HttpApplication& application);
  // Nothing runs any more: call after run() has returned.
  ~HttpServer();

  // "127.0.0.1:8080", "[::1]:8080": the address that it listens on.
  std::string address() const;
  std::uint16_t port() const;

  // Serves; returns when a drain has let the last connection go, or after stop().
  void run();

  // Takes no new connection, closes the idle ones and the others after their answers. Any thread.
  void drain();
  // Closes every connection. Any thread.
  void stop();

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace quiver
