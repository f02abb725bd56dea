// What a client may do to the server, well-behaved or not.

#include <chrono>
#include <future>

#include "http/served_application.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::HttpClient;
using test::HttpReply;
using test::ServedApplication;
using namespace std::chrono_literals;

ServedApplication::Handler echo() {
  return [](const std::shared_ptr<HttpExchange>& exchange) {
    exchange->respond({.body = exchange->request().method + " " + exchange->request().body});
  };
}

TEST(HttpServer, AnswersRequestsOfOneConnection) {
  ServedApplication application({{"/echo", echo()}});
  HttpClient client(application.port());
  HttpReply reply = client.post("/echo", "first");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "POST first");
  EXPECT_EQ(reply.headers["connection"], "keep-alive");
  EXPECT_EQ(client.get("/echo?x=1").body, "GET ");
  EXPECT_EQ(client.get("/%65cho").body, "GET ");
  EXPECT_EQ(client.get("/other").status, 404);
  EXPECT_EQ(client.post("/echo", "last").body, "POST last");
  EXPECT_EQ(application.next_record().status, 200);
  EXPECT_EQ(application.next_record().bytes, 4u);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  ServedApplication application({{"/echo", echo()}});
  HttpClient client(application.port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += test::post_text("/echo", std::to_string(i));
  client.send(all);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.read().body, "POST " + std::to_string(i));
}

TEST(HttpServer, ReadsARequestThatComesByteByByteAndInChunks) {
  ServedApplication application({{"/echo", echo()}});
  HttpClient client(application.port());
  for (const char c : test::post_text("/echo", "slow")) client.send(std::string(1, c));
  EXPECT_EQ(client.read().body, "POST slow");
  client.send(
      "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n");
  EXPECT_EQ(client.read().body, "POST abcde");
}

TEST(HttpServer, HeadHasTheHeadersAlone) {
  ServedApplication application({{"/echo", echo()}});
  HttpClient client(application.port());
  client.send("HEAD /echo HTTP/1.1\r\nHost: t\r\n\r\n");
  HttpReply reply = client.read(true);
  EXPECT_EQ(reply.headers["content-length"], "5");
  EXPECT_EQ(client.get("/echo").body, "GET ");
}

TEST(HttpServer, ClosesWhereItIsAskedToAndAfterHttp10) {
  ServedApplication application({{"/echo", echo()}});
  HttpClient closing(application.port());
  EXPECT_EQ(closing.get("/echo", "Connection: close\r\n").headers["connection"], "close");
  EXPECT_TRUE(closing.is_closed());
  HttpClient old(application.port());
  old.send("GET /echo HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.read().body, "GET ");
  EXPECT_TRUE(old.is_closed());
}

TEST(HttpServer, SaysContinueWhereABodyWaitsForIt) {
  ServedApplication application({{"/echo", echo()}});
  HttpClient client(application.port());
  client.send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send("abc");
  EXPECT_EQ(client.read().body, "POST abc");
  client.send("POST /none HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.read().status, 404);  // without the body
  EXPECT_TRUE(client.is_closed());
  HttpClient other(application.port());
  other.send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: wonders\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(other.read().status, 417);
}

TEST(HttpServer, RefusesWhatIsTooLargeAndLetsTheClientReadWhy) {
  ServedApplication application({{"/echo", echo()}},
                                {.limits = {.header_bytes = 2000, .body_bytes = 100'000}});
  HttpClient body(application.port());
  EXPECT_EQ(body.post("/echo", std::string(100'000, 'x')).body.size(), 100'005u);
  const HttpReply reply = body.post("/echo", std::string(100'001, 'x'));
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.body, "the request's body is longer than 100000 bytes");
  EXPECT_TRUE(body.is_closed());
  HttpClient chunks(application.port());
  chunks.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n186A1\r\n" +
              std::string(100'001, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunks.read().status, 413);
  HttpClient header(application.port());
  EXPECT_EQ(header.get("/echo", "X: " + std::string(3000, 'x') + "\r\n").status, 431);
  HttpClient target(application.port());
  EXPECT_EQ(target.get("/" + std::string(3000, 'x')).status, 431);
}

TEST(HttpServer, RefusesWhatIsNoRequest) {
  ServedApplication application({{"/echo", echo()}});
  for (const std::string text :
       {"hello\r\n\r\n", "GET /echo\r\n\r\n", "GET /echo HTTP/1.1\r\n\r\n",
        "GET echo HTTP/1.1\r\nHost: t\r\n\r\n", "GET /ec%zzho HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n", "GET /echo HTTP/3.7\r\nHost: t\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01\x00\x01\xfc\x03\x03",
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    HttpClient client(application.port());
    client.send(text);
    client.finish_sending();
    const HttpReply reply = client.read();
    EXPECT_EQ(reply.status, 400) << text;
  }
  EXPECT_EQ(HttpClient(application.port()).get("/echo").status, 200);
}

TEST(HttpServer, TooSlowARequestGets408AndAnIdleConnectionIsClosed) {
  ServedApplication application({{"/echo", echo()}}, {.limits = {.idle = 300ms, .read = 200ms}});
  HttpClient head(application.port());
  head.send("GET /echo HT");
  EXPECT_EQ(head.read().status, 408);
  HttpClient body(application.port());
  body.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(body.read().status, 408);
  HttpClient idle(application.port());
  EXPECT_EQ(idle.get("/echo").status, 200);
  EXPECT_TRUE(idle.is_closed());
}

TEST(HttpServer, TurnsAwayMoreConnectionsThanItTakes) {
  ServedApplication application({{"/echo", echo()}}, {.limits = {.connections = 2}});
  auto first = std::make_unique<HttpClient>(application.port());
  HttpClient second(application.port());
  EXPECT_EQ(first->get("/echo").status, 200);
  EXPECT_EQ(second.get("/echo").status, 200);
  HttpClient third(application.port());
  EXPECT_EQ(third.read().status, 503);
  third.reset();
  first.reset();
  HttpReply reply;
  for (int i = 0; i < 100 && reply.status != 200; ++i) {  // until the server has noticed
    std::this_thread::sleep_for(20ms);
    reply = HttpClient(application.port()).get("/echo");
  }
  EXPECT_EQ(reply.status, 200);
}

TEST(HttpServer, AHandlerThatThrowsOrForgetsIsA500) {
  ServedApplication application(
      {{"/throws", [](const std::shared_ptr<HttpExchange>&) { throw std::runtime_error("boom"); }},
       {"/forgets", [](const std::shared_ptr<HttpExchange>&) {}}});
  HttpClient client(application.port());
  HttpReply reply = client.get("/throws");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.body, "boom");
  reply = client.get("/forgets");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.body, "the request was given up");
}

TEST(HttpServer, CannotListenTwiceOnOnePort) {
  ServedApplication application({});
  const std::string message =
      test::error_message([&] { ServedApplication({}, {.port = application.port()}); });
  EXPECT_EQ(message, "cannot listen on '127.0.0.1', port " + std::to_string(application.port()) +
                         ": Address already in use | --host names an address of this machine, --port 0 takes "
                         "any port that is free");
}

TEST(HttpServer, DrainsIdleConnectionsAtOnceAndOthersAfterTheirAnswers) {
  std::promise<std::shared_ptr<HttpExchange>> promised;
  ServedApplication application(
      {{"/echo", echo()},
       {"/later", [&](const std::shared_ptr<HttpExchange>& exchange) { promised.set_value(exchange); }}});
  HttpClient idle(application.port());
  EXPECT_EQ(idle.get("/echo").status, 200);
  HttpClient busy(application.port());
  busy.send("GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
  std::shared_ptr<HttpExchange> exchange = promised.get_future().get();
  application.server().drain();
  EXPECT_TRUE(idle.is_closed());
  exchange->respond({.body = "late"});
  HttpReply reply = busy.read();
  EXPECT_EQ(reply.body, "late");
  EXPECT_EQ(reply.headers["connection"], "close");
  EXPECT_TRUE(busy.is_closed());
  application.wait_for_end();  // run() returns by itself
}

}  // namespace
}  // namespace quiver
