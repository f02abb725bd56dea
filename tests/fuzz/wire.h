#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <vector>

#include "http/http_connection.h"

namespace quiver::test {

// One connection after the other on a pair of sockets, everything on the test's thread: what a server answers
// to bytes is the same every time.
class Wire {
 public:
  Wire(HttpApplication& application, HttpLimits limits)
      : io_(std::make_shared<boost::asio::io_context>(1)),
        shared_{io_, io_->get_executor(), &application, limits} {}

  // What the server sends to a client that writes `pieces`, waits for what it makes of each, closes its
  // sending side and reads to the end. Adds a failure where the server does not close.
  std::string exchange(const std::vector<std::string>& pieces) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) {
      ADD_FAILURE() << "there is no pair of sockets";
      return {};
    }
    boost::asio::ip::tcp::socket socket(*io_);
    socket.assign(boost::asio::ip::tcp::v4(), ends[0]);
    HttpConnection connection(shared_, std::move(socket));
    bool is_over = false;
    boost::asio::co_spawn(*io_, serve(connection, is_over), boost::asio::detached);
    std::string seen;
    for (const std::string& piece : pieces) {
      ::send(ends[1], piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      settle(ends[1], seen);
    }
    ::shutdown(ends[1], SHUT_WR);
    settle(ends[1], seen);
    EXPECT_TRUE(is_over) << "the server waits for a client that sends no more";
    if (!is_over) connection.close();
    settle(ends[1], seen);
    ::close(ends[1]);
    return seen;
  }

 private:
  static boost::asio::awaitable<void> serve(HttpConnection& connection, bool& is_over) {
    co_await connection.run();
    is_over = true;
  }

  // Lets the server do what it can without waiting.
  void settle(int client, std::string& seen) {
    for (;;) {
      io_->restart();
      const std::size_t done = io_->poll();
      std::array<char, 16384> bytes;
      const ssize_t size = ::recv(client, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (size > 0) seen.append(bytes.data(), static_cast<std::size_t>(size));
      if (done == 0 && size <= 0) return;
    }
  }

  const std::shared_ptr<boost::asio::io_context> io_;
  HttpShared shared_;
};

}  // namespace quiver::test
