#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/json.h"
#include "modular/routed_fixture.h"
#include "server/server.h"
#include "support/http_client.h"

namespace quiver::test {

// A server of tiny_llama and the golden experts, on a free port while the object lives.
class RunningServer {
 public:
  explicit RunningServer(ServerOptions options = {},
                         std::shared_ptr<const ChatTemplate> chat_template = nullptr)
      : library_(std::make_shared<GoldenLibrary>()), server_(std::move(options)) {
    server_.open({models(*library_), std::move(chat_template)});
    thread_ = std::thread([this] { server_.run([this] { return is_to_stop_.load(); }); });
  }
  ~RunningServer() {
    stop();
    if (thread_.joinable()) thread_.join();
  }

  void stop() { is_to_stop_ = true; }
  void wait_for_end() { thread_.join(); }
  std::uint16_t port() const { return server_.port(); }
  const GoldenLibrary& library() const { return *library_; }

  HttpReply get(const std::string& path, const std::string& headers = {}) const {
    return HttpClient(port()).get(path, headers);
  }
  HttpReply post(const std::string& path, const Json& body, const std::string& headers = {}) const {
    return HttpClient(port()).post(path, dump_json(body), headers);
  }
  // The answer to a request that must succeed.
  Json answer(const std::string& path, const Json& body) const {
    const HttpReply reply = post(path, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.status == 200 ? Json::parse(reply.body) : Json();
  }
  // "STATUS PARAM: MESSAGE" of one that must fail.
  std::string refusal(const std::string& path, const Json& body) const {
    const HttpReply reply = post(path, body);
    if (reply.status == 200) return "accepted";
    const Json error = Json::parse(reply.body).at("error");
    return std::to_string(reply.status) + " " +
           (error.at("param").is_null() ? "" : error.at("param").get<std::string>()) + ": " +
           error.at("message").get<std::string>();
  }

  static std::shared_ptr<ModelRegistry> models(const GoldenLibrary& library) {
    RegistryOptions options;
    for (const std::string name : {"base", "oracle", "uniform", "arrow", "phatgoose"})
      options.routers.push_back(parse_router(name));
    return std::make_shared<ModelRegistry>(golden_base("tiny_llama"), library.library(), options);
  }

 private:
  const std::shared_ptr<GoldenLibrary> library_;
  Server server_;
  std::atomic<bool> is_to_stop_ = false;
  std::thread thread_;
};

// The JSON objects of a stream of events, "[DONE]" and comments left out; adds a failure where the stream has
// no proper end.
inline std::vector<Json> events_of(const HttpReply& reply) {
  std::vector<Json> events;
  EXPECT_TRUE(reply.is_whole);
  EXPECT_TRUE(reply.body.ends_with("data: [DONE]\n\n")) << reply.body;
  for (std::size_t at = 0, end; (end = reply.body.find("\n\n", at)) != std::string::npos; at = end + 2) {
    const std::string event = reply.body.substr(at, end - at);
    if (event.starts_with("data: {")) events.push_back(Json::parse(event.substr(6)));
  }
  return events;
}

// Text as JSON gives it: broken bytes are U+FFFD.
inline std::string shown_text(const std::string& text) {
  return Json::parse(dump_json(text)).get<std::string>();
}

}  // namespace quiver::test
