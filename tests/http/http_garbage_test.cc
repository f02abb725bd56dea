// Requests with random damage: whatever comes, the server answers or closes, and goes on serving others.

#include <random>

#include "http/served_application.h"

namespace quiver {
namespace {

using test::HttpClient;

// Whole requests one after the other, of every kind that the parser knows.
std::string good_requests() {
  return test::post_text("/echo", "{\"a\": 1}", "Expect: 100-continue\r\n") +
         "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: "
         "chunked\r\n\r\n4;x=\"y\"\r\nabcd\r\n0\r\nTrailer: z\r\n\r\n"
         "GET /echo?a=%20b HTTP/1.1\r\nHost: [::1]:80\r\nAccept: a, b;q=0.5\r\n folded\r\n\r\n"
         "HEAD /echo HTTP/1.0\r\nConnection: keep-alive, x\r\n\r\n"
         "OPTIONS * HTTP/1.1\r\nHost: t\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n";
}

std::string damaged(std::string text, std::mt19937& random) {
  const auto below = [&](std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
  };
  const std::string inserts[] = {"\r\n",
                                 "\r",
                                 "\n",
                                 " ",
                                 ":",
                                 "0",
                                 "99999999999999999999",
                                 std::string(1, '\0'),
                                 "\xff",
                                 "chunked",
                                 "Content-Length: 5\r\n",
                                 "HTTP/1.1"};
  for (std::size_t i = 1 + below(6); i > 0 && !text.empty(); --i) {
    const std::size_t at = below(text.size());
    switch (below(4)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, 1 + below(8));
        break;
      case 2:
        text.insert(at, inserts[below(std::size(inserts))]);
        break;
      default:
        text.resize(at);
    }
  }
  return text;
}

TEST(HttpGarbage, NeverStopsTheServer) {
  test::ServedApplication application({{"/echo", [](const std::shared_ptr<HttpExchange>& exchange) {
                                          exchange->respond({.body = exchange->request().body});
                                        }}});
  std::mt19937 random(20250101);
  for (int i = 0; i < 500; ++i) {
    const std::string text = damaged(good_requests(), random);
    HttpClient client(application.port());
    client.send(text);
    if (i % 3 == 0) {
      client.reset();
      continue;
    }
    client.finish_sending();
    std::string seen;
    while (!client.is_closed()) seen += client.read_some();
    EXPECT_TRUE(seen.empty() || seen.starts_with("HTTP/1.1 ")) << text << "\n" << seen;
  }
  EXPECT_EQ(HttpClient(application.port()).post("/echo", "alive").body, "alive");
}

}  // namespace
}  // namespace quiver
