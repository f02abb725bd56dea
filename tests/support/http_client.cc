#include "support/http_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "core/strings.h"

namespace quiver::test {

HttpClient::HttpClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&place), sizeof place), 0)
      << std::strerror(errno);
}

HttpClient::~HttpClient() {
  if (socket_ >= 0) ::close(socket_);
}

bool HttpClient::send(const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t size = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size <= 0) return false;
    sent += static_cast<std::size_t>(size);
  }
  return true;
}

void HttpClient::finish_sending() { ::shutdown(socket_, SHUT_WR); }

void HttpClient::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(socket_);
  socket_ = -1;
}

bool HttpClient::fill() {
  std::array<char, 16384> bytes{};
  const ssize_t size = ::recv(socket_, bytes.data(), bytes.size(), 0);
  if (size > 0) buffer_.append(bytes.data(), static_cast<std::size_t>(size));
  return size > 0;
}

std::string HttpClient::read_some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

bool HttpClient::is_closed() { return buffer_.empty() && !fill(); }

std::string HttpClient::take(std::size_t size) {
  while (buffer_.size() < size && fill()) {
  }
  const std::string bytes = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return bytes;
}

std::string HttpClient::take_line() {
  std::size_t end;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!fill()) return {};
  }
  const std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

HttpReply HttpClient::read(bool to_head) {
  HttpReply reply;
  const std::string status = take_line();
  if (!status.starts_with("HTTP/1.1 ")) return reply;
  reply.status = std::stoi(status.substr(9, 3));
  for (std::string line = take_line(); !line.empty(); line = take_line()) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) {
      ADD_FAILURE() << "a broken header: " << line;
      return reply;
    }
    reply.headers[lower_case(line.substr(0, colon))] = line.substr(colon + 2);
  }
  if (to_head || reply.status == 204 || reply.status < 200) {
    reply.is_whole = true;
  } else {
    read_body(reply);
  }
  return reply;
}

void HttpClient::read_body(HttpReply& reply) {
  if (reply.headers.contains("content-length")) {
    const std::size_t size = std::stoul(reply.headers["content-length"]);
    reply.body = take(size);
    reply.is_whole = reply.body.size() == size;
    return;
  }
  if (!reply.headers.contains("transfer-encoding")) {  // to the end of the connection
    while (fill()) {
    }
    reply.body = std::exchange(buffer_, {});
    reply.is_whole = true;
    return;
  }
  for (;;) {
    const std::string line = take_line();
    if (line.empty()) return;
    const std::size_t size = std::stoul(line, nullptr, 16);
    const std::string chunk = take(size + 2);
    if (chunk.size() != size + 2) return;
    reply.body += chunk.substr(0, size);
    if (size == 0) break;
  }
  reply.is_whole = true;
}

HttpReply HttpClient::get(const std::string& path, const std::string& headers) {
  send("GET " + path + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n");
  return read();
}

HttpReply HttpClient::post(const std::string& path, const std::string& body, const std::string& headers) {
  send(post_text(path, body, headers));
  return read();
}

std::string post_text(const std::string& path, const std::string& body, const std::string& headers) {
  return "POST " + path + " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace quiver::test
