// Bytes that clients may send to the server's connection, routes and parsers: every answer is a whole HTTP
// reply with the right status, and the same however the bytes were cut.

#include "fuzz/fuzz_runs.h"
#include "fuzz/fuzzed_application.h"
#include "fuzz/reply_reader.h"
#include "fuzz/wire.h"

namespace quiver {
namespace {

using test::FuzzRandom;

constexpr HttpLimits kLimits{.header_bytes = 2000, .body_bytes = 1000};

// A request of parts, each good or bad in a way that has a known status.
struct BuiltRequest {
  std::string text;
  int status = 200;  // 0: an end before there is a request
};

struct Part {
  std::string text;
  int status = 0;  // of a bad one
};

std::string chunked(const std::string& body, FuzzRandom& random) {
  std::string text;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t size = 1 + random.below(body.size() - at);
    char digits[20];
    std::snprintf(digits, sizeof digits, random.one_in(2) ? "%zx" : "%zX", size);
    text +=
        digits + std::string(random.one_in(4) ? ";a=\"b\"" : "") + "\r\n" + body.substr(at, size) + "\r\n";
    at += size;
  }
  return text + "0\r\n" + (random.one_in(4) ? "Trailer: x\r\n" : "") + "\r\n";
}

// RFC 9112, the order in which the server looks at a request, and the limits above.
BuiltRequest build(FuzzRandom& random) {
  // Most parts are good, so that every kind of badness is met alone, too.
  const auto bad = [&] { return random.one_in(8); };
  const bool is_post = random.one_in(2);
  std::string method = is_post ? "POST" : random.one_in(2) ? "GET" : "HEAD";
  int by_route = 0;
  if (bad()) {
    method = random.of<std::string>({"PUT", "DELETE", "OPTIONS", "PATCH", "BREW"});
    by_route = method == "OPTIONS" ? 204 : 405;
  }
  std::string target = is_post ? "/v1/completions" : "/health";
  int by_target = 0;
  if (bad()) {
    const Part part = random.of<Part>({{"/v1/nothing", 404}, {"/%zz", 400}, {"health", 400}, {"/%00", 400}});
    target = part.text;
    by_target = part.status;
  } else if (random.one_in(3)) {
    target = (is_post ? "/v1/%63ompletions" : "/h%65alth") + std::string("?x=%zz");
  }
  const bool is_old = random.one_in(6);
  const bool has_host = !bad();
  std::string headers = has_host ? "Host: t\r\n" : "";
  int by_type = 0;
  if (is_post) {
    const Part part = bad() ? random.of<Part>({{"text/plain", 415}, {"", 415}, {"application/jsonx", 415}})
                            : random.of<Part>({{"application/json"}, {"Application/JSON; charset=utf-8"}});
    headers += "content-TYPE: " + part.text + "\r\n";
    by_type = part.status;
  }
  int by_head = 0;
  if (random.one_in(16)) {
    headers += "X-Long: " + std::string(2100, 'x') + "\r\n";
    by_head = 431;
  }
  Part body = is_post ? Part{R"({"prompt": ["a", "b"], "max_tokens": 1})"} : Part{};
  if (is_post && bad()) {
    body = random.of<Part>({{"{", 400},
                            {"[1]", 400},
                            {R"({"prompt": 1})", 400},
                            {R"({"prompt": "a", "prompt": "b"})", 400},
                            {R"({"prompt": "a", "x": 1})", 400},
                            {"{\"prompt\": \"\xff\"}", 400}});
  }
  std::string content = body.text;
  int by_frame = 0;
  const bool in_chunks = is_post && !is_old && random.one_in(2);
  if (random.one_in(16)) {
    headers += "Content-Length: " + random.of<std::string>({"-1", "x", "99999999999999999999"}) + "\r\n";
    by_head = by_head != 0 ? by_head : 400;
  } else if (is_post && random.one_in(16)) {
    content = "\"" + std::string(1100, 'y') + "\"";
    by_frame = 413;
  }
  if (in_chunks) {
    headers += "Transfer-Encoding: chunked\r\n";
    content = chunked(content, random);
    if (by_frame == 0 && random.one_in(8)) {
      content = "zz" + content;
      by_frame = 400;
    }
  } else if (is_post && by_head != 400) {
    headers += "Content-Length: " + std::to_string(content.size()) + "\r\n";
    if (by_frame == 413 && by_head == 0) by_head = 413;  // known before the body is read
  }
  int by_expectation = 0;
  if (is_post && random.one_in(6)) {
    const Part part = random.of<Part>({{"100-continue"}, {"100-Continue"}, {"wonders", 417}});
    headers += "Expect: " + part.text + "\r\n";
    by_expectation = part.status;
  }
  BuiltRequest request{.text = method + " " + target + (is_old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n") +
                               headers + "\r\n" + content};
  const int by_host = !has_host && !is_old ? 400 : 0;
  const int by_path = by_target == 400 ? 400 : 0;
  // A refusal of the type stands behind those of path and method.
  const int refusal = by_target == 404 ? 404 : by_route != 0 ? by_route : by_type;
  for (const int status : {by_head, by_path, by_host, refusal, by_expectation, by_frame, body.status}) {
    if (status == 0) continue;
    request.status = status;
    break;
  }
  return request;
}

// `text` whole, or cut anywhere.
std::vector<std::string> pieces_of(const std::string& text, FuzzRandom& random) {
  std::vector<std::string> pieces;
  const std::size_t longest = random.of<std::size_t>({2, 50, 500, 4000, 4000, 4000});
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::min(text.size() - at, 1 + random.below(longest));
    pieces.push_back(text.substr(at, size));
    at += size;
  }
  return pieces;
}

std::string without_dates(std::string text) {
  for (std::size_t at = 0; (at = text.find("Date: ", at)) != std::string::npos;)
    text.erase(at, text.find("\r\n", at) + 2 - at);
  return text;
}

// What one way of sending gave.
struct Seen {
  std::string bytes;
  std::vector<test::ReplyReader::Reply> replies;
};

class HttpFuzz : public ::testing::Test {
 protected:
  Seen send(const std::vector<std::string>& pieces) {
    Seen seen{.bytes = wire_.exchange(pieces), .replies = {}};
    test::ReplyReader reader(seen.bytes);
    EXPECT_EQ(reader.problem_with(application_.take_done()), "") << seen.bytes;
    seen.replies = reader.replies();
    return seen;
  }

 private:
  test::FuzzedApplication application_;
  test::Wire wire_{application_, kLimits};
};

TEST_F(HttpFuzz, RequestsOfGoodAndBadPartsGetTheRightStatus) {
  test::fuzz(3'000, [&](std::uint64_t seed) {
    FuzzRandom random(seed);
    std::string text;
    std::vector<int> expected;
    for (std::size_t i = 1 + random.below(3); i > 0; --i) {
      const BuiltRequest request = build(random);
      text += request.text;
      expected.push_back(request.status);
    }
    const Seen seen = send(pieces_of(text, random));
    ASSERT_FALSE(seen.replies.empty()) << text;
    ASSERT_LE(seen.replies.size(), expected.size()) << text;
    for (std::size_t i = 0; i < seen.replies.size(); ++i)
      ASSERT_EQ(seen.replies[i].status, expected[i]) << text;
    // Nothing is left out as long as the connection stays.
    if (seen.replies.back().keeps_alive) {
      ASSERT_EQ(seen.replies.size(), expected.size()) << text;
    }
    for (const test::ReplyReader::Reply& reply : seen.replies) {
      if (reply.status != 200 || reply.body.empty()) continue;
      ASSERT_TRUE(reply.body == "2" || reply.body == "{}") << text;
    }
  });
}

// Whole requests one after the other, of every kind that the parser knows.
std::string good_requests() {
  const std::string body = R"({"prompt": ["a", "b", "c"], "stream": true})";
  const std::string head = "POST /v1/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n";
  return head + "Expect: 100-continue\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body +
         head +
         "Transfer-Encoding: chunked\r\n\r\nf;x=\"y\"\r\n{\"prompt\": \"a\"}\r\n0\r\nTrailer: z\r\n\r\n" +
         "GET /health?a=%20b HTTP/1.1\r\nHost: [::1]:80\r\nAccept: a, b;q=0.5\r\n folded\r\n\r\n" +
         "HEAD /health HTTP/1.0\r\nConnection: keep-alive, x\r\n\r\n" +
         "OPTIONS * HTTP/1.1\r\nHost: t\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n" +
         "GET /none HTTP/1.1\r\nHost: t\r\n\r\n";
}

std::string damaged(std::string text, FuzzRandom& random) {
  static const std::vector<std::string> words = {"\r\n",
                                                 "\r",
                                                 "\n",
                                                 "\r\n\r\n",
                                                 " ",
                                                 ":",
                                                 "0",
                                                 "99999999999999999999",
                                                 "ffffffffffffffff",
                                                 std::string(1, '\0'),
                                                 "\xff",
                                                 "chunked",
                                                 "Transfer-Encoding: chunked\r\n",
                                                 "Transfer-Encoding: gzip, chunked\r\n",
                                                 "Content-Length: 5\r\n",
                                                 "Connection: close\r\n",
                                                 "Expect: 100-continue\r\n",
                                                 "HTTP/1.1",
                                                 "HTTP/1.0",
                                                 "{\"a\":[",
                                                 std::string(700, 'z')};
  for (std::size_t i = 1 + random.below(6); i > 0 && !text.empty(); --i) {
    const std::size_t at = random.below(text.size());
    switch (random.below(6)) {
      case 0:
        text[at] = static_cast<char>(random.below(256));
        break;
      case 1:
        text.erase(at, 1 + random.below(8));
        break;
      case 2:
        text.insert(at, random.of(words));
        break;
      case 3:
        text.insert(at, text.substr(random.below(text.size()), random.below(200)));
        break;
      case 4:
        text.erase(at, random.below(300));
        break;
      default:
        if (random.one_in(3)) text.resize(at);
    }
  }
  return text;
}

// Where the bytes stop being HTTP, how they were cut may decide which fault is seen first: too long or wrong;
// a client that ends inside of headers whose first line is none may get 400 or nothing. Then the connection
// closes.
bool agree(const Seen& a, const Seen& b) {
  if (without_dates(a.bytes) == without_dates(b.bytes)) return true;
  const auto is_no_http = [](const test::ReplyReader::Reply& reply) {
    return !reply.keeps_alive && (reply.status == 400 || reply.status == 413 || reply.status == 431);
  };
  const auto without_end = [&](std::vector<test::ReplyReader::Reply> replies) {
    if (!replies.empty() && is_no_http(replies.back())) replies.pop_back();
    return replies;
  };
  return std::ranges::equal(without_end(a.replies), without_end(b.replies), [](const auto& x, const auto& y) {
    return x.status == y.status && x.body == y.body && x.keeps_alive == y.keeps_alive;
  });
}

TEST_F(HttpFuzz, DamagedRequestsGetWholeRepliesHoweverTheyAreCut) {
  test::fuzz(1'500, [&](std::uint64_t seed) {
    FuzzRandom random(seed);
    const std::string text = damaged(good_requests(), random);
    const Seen whole = send({text});
    const Seen cut = send(pieces_of(text, random));
    EXPECT_TRUE(agree(cut, whole)) << text << "\n" << cut.bytes << "\n\n" << whole.bytes;
  });
}

}  // namespace
}  // namespace quiver
