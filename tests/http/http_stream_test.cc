// Answers that come piece by piece, from another thread.

#include <atomic>
#include <chrono>
#include <future>

#include "http/served_application.h"

namespace quiver {
namespace {

using test::HttpClient;
using test::HttpReply;
using test::ServedApplication;
using namespace std::chrono_literals;

const std::string kGet = "GET /stream HTTP/1.1\r\nHost: t\r\n\r\n";

// Gives the exchange of a request to the test's own thread.
struct Held {
  ServedApplication application;
  std::promise<std::shared_ptr<HttpExchange>> promised = {};

  explicit Held(HttpServerOptions options = {})
      : application(
            {{"/stream",
              [this](const std::shared_ptr<HttpExchange>& exchange) { promised.set_value(exchange); }}},
            std::move(options)) {}
  std::shared_ptr<HttpExchange> exchange() { return promised.get_future().get(); }
};

TEST(HttpStream, PiecesArriveWhenTheyAreWritten) {
  Held held;
  HttpClient client(held.application.port());
  client.send(kGet);
  std::shared_ptr<HttpExchange> exchange = held.exchange();
  exchange->begin_stream({.content_type = "text/event-stream"});
  EXPECT_TRUE(exchange->write("one"));
  std::string seen;
  while (seen.find("one") == std::string::npos) seen += client.read_some();  // before there is a second
  EXPECT_NE(seen.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_TRUE(exchange->write("two"));
  exchange->end_stream();
  EXPECT_FALSE(exchange->write("three"));
  while (seen.find("0\r\n\r\n") == std::string::npos) seen += client.read_some();
  EXPECT_NE(seen.find("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), std::string::npos) << seen;
  const HttpRecord record = held.application.next_record();
  EXPECT_TRUE(record.is_whole);
  EXPECT_EQ(record.bytes, 6u);
}

TEST(HttpStream, AnHttp10ClientGetsItWithoutLengths) {
  Held held;
  HttpClient client(held.application.port());
  client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  std::shared_ptr<HttpExchange> exchange = held.exchange();
  exchange->begin_stream({});
  exchange->write("one");
  exchange->write("two");
  exchange->end_stream();
  HttpReply reply = client.read();
  EXPECT_EQ(reply.body, "onetwo");
  EXPECT_FALSE(reply.headers.contains("transfer-encoding"));
}

TEST(HttpStream, APauseIsFilled) {
  Held held({.limits = {.pause = 50ms}});
  HttpClient client(held.application.port());
  client.send(kGet);
  std::shared_ptr<HttpExchange> exchange = held.exchange();
  exchange->begin_stream({}, ": wait\n\n");
  std::this_thread::sleep_for(180ms);
  exchange->write("end");
  exchange->end_stream();
  const std::string body = client.read().body;
  EXPECT_TRUE(body.starts_with(": wait\n\n: wait\n\n")) << body;
  EXPECT_TRUE(body.ends_with("end"));
}

TEST(HttpStream, OneThatIsDroppedIsCut) {
  Held held;
  HttpClient client(held.application.port());
  client.send(kGet);
  std::shared_ptr<HttpExchange> exchange = held.exchange();
  held.promised = {};  // has one, too
  exchange->begin_stream({});
  exchange->write("one");
  std::string seen;
  while (seen.find("one") == std::string::npos) seen += client.read_some();
  exchange = nullptr;
  while (!client.is_closed()) seen += client.read_some();
  EXPECT_TRUE(seen.ends_with("3\r\none\r\n")) << seen;
  EXPECT_FALSE(held.application.next_record().is_whole);
}

// How a client may leave.
enum class Leaving { kCloses, kResets };
class HttpStreamLeft : public ::testing::TestWithParam<Leaving> {};
INSTANTIATE_TEST_SUITE_P(Ways, HttpStreamLeft, ::testing::Values(Leaving::kCloses, Leaving::kResets));

TEST_P(HttpStreamLeft, IsToldAndTakesNoMore) {
  for (const bool in_stream : {false, true}) {
    Held held;
    auto client = std::make_unique<HttpClient>(held.application.port());
    client->send(kGet);
    std::shared_ptr<HttpExchange> exchange = held.exchange();
    if (in_stream) exchange->begin_stream({});
    std::promise<void> gone;
    exchange->on_gone([&] { gone.set_value(); });
    if (GetParam() == Leaving::kResets) {
      client->reset();
    } else {
      client = nullptr;
    }
    EXPECT_EQ(gone.get_future().wait_for(20s), std::future_status::ready);
    const HttpRecord record = held.application.next_record();
    EXPECT_FALSE(record.is_whole);
    EXPECT_FALSE(exchange->write("more"));
    std::promise<void> at_once;
    exchange->on_gone([&] { at_once.set_value(); });
    EXPECT_EQ(at_once.get_future().wait_for(0s), std::future_status::ready);
  }
}

TEST(HttpStream, AReaderThatFallsBehindIsCutOff) {
  Held held({.limits = {.unsent_bytes = 200'000}});
  HttpClient client(held.application.port());
  client.send(kGet);
  std::shared_ptr<HttpExchange> exchange = held.exchange();
  std::promise<void> gone;
  exchange->on_gone([&] { gone.set_value(); });
  exchange->begin_stream({});
  std::size_t pieces = 0;
  while (exchange->write(std::string(100'000, 'x')) && pieces < 10'000) {
    ++pieces;
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_LT(pieces, 10'000u);
  // The server may still wait for the client to take what it has; then its time to write ends.
  client.reset();
  EXPECT_EQ(gone.get_future().wait_for(20s), std::future_status::ready);
}

TEST(HttpStream, AReaderThatStopsIsGivenUp) {
  Held held({.limits = {.unsent_bytes = 64 << 20, .write = 200ms}});
  HttpClient client(held.application.port());
  client.send(kGet);
  std::shared_ptr<HttpExchange> exchange = held.exchange();
  std::promise<void> gone;
  exchange->on_gone([&] { gone.set_value(); });
  exchange->begin_stream({});
  exchange->write(std::string(32 << 20, 'x'));
  EXPECT_EQ(gone.get_future().wait_for(20s), std::future_status::ready);
}

TEST(HttpStream, AnAnswerMayTakeLongerThanItsRequest) {
  for (const bool stream : {false, true}) {
    Held held({.limits = {.read = 100ms}});
    HttpClient client(held.application.port());
    client.send(kGet);
    const std::shared_ptr<HttpExchange> exchange = held.exchange();
    if (stream) exchange->begin_stream({});
    std::this_thread::sleep_for(400ms);
    if (stream) {
      EXPECT_TRUE(exchange->write("late"));
      exchange->end_stream();
    } else {
      exchange->respond({.body = "late"});
    }
    const HttpReply reply = client.read();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "late");
  }
}

TEST(HttpStream, OneLongPieceArrives) {
  Held held({.limits = {.unsent_bytes = 10'000}});
  HttpClient client(held.application.port());
  client.send(kGet);
  const std::shared_ptr<HttpExchange> exchange = held.exchange();
  exchange->begin_stream({});
  EXPECT_TRUE(exchange->write(std::string(30'000, 'x')));
  exchange->end_stream();
  EXPECT_EQ(client.read().body, std::string(30'000, 'x'));
}

TEST(HttpStream, StopCutsEverything) {
  Held held;
  HttpClient client(held.application.port());
  client.send(kGet);
  std::shared_ptr<HttpExchange> exchange = held.exchange();
  std::promise<void> gone;
  exchange->on_gone([&] { gone.set_value(); });
  held.application.server().stop();
  EXPECT_EQ(gone.get_future().wait_for(20s), std::future_status::ready);
  EXPECT_EQ(client.read().status, 0);
  held.application.wait_for_end();
}

TEST(HttpStream, ManyClientsAtOnce) {
  ServedApplication application({{"/stream", [](const std::shared_ptr<HttpExchange>& exchange) {
                                    exchange->begin_stream({});
                                    std::thread([exchange] {
                                      for (int i = 0; i < 20; ++i) exchange->write(std::to_string(i) + ",");
                                      exchange->end_stream();
                                    }).detach();
                                  }}});
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += std::to_string(i) + ",";
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int c = 0; c < 16; ++c) {
    clients.emplace_back([&] {
      HttpClient client(application.port());
      for (int i = 0; i < 10; ++i) {
        client.send(kGet);
        good += client.read().body == expected;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 160);
}

}  // namespace
}  // namespace quiver
