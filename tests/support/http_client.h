#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace quiver::test {

struct HttpReply {
  int status = 0;                                   // 0: the connection ended before there was one
  std::map<std::string, std::string> headers = {};  // names in lower case
  std::string body = {};                            // chunks joined
  bool is_whole = false;                            // the body reached its end
};

// A client on a plain socket of the loopback device, which says what a test wants said, byte by byte. No call
// waits for more than 20 s.
class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool send(const std::string& bytes);  // false: the server closed
  void finish_sending();                // half-closes
  void reset();                         // ends with RST

  // One reply; `to_head`: to a HEAD request, whose reply has no body.
  HttpReply read(bool to_head = false);
  // The next bytes of a reply, whatever they are; empty at the end of the connection.
  std::string read_some();
  bool is_closed();  // by the server, with nothing left to read

  HttpReply get(const std::string& path, const std::string& headers = {});
  HttpReply post(const std::string& path, const std::string& body, const std::string& headers = {});

 private:
  bool fill();
  std::string take(std::size_t size);
  std::string take_line();
  void read_body(HttpReply& reply);

  int socket_;
  std::string buffer_;
};

// "POST /path HTTP/1.1" with a JSON body.
std::string post_text(const std::string& path, const std::string& body, const std::string& headers = {});

}  // namespace quiver::test
