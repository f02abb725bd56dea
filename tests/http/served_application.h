#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "http/http_server.h"
#include "support/http_client.h"

namespace quiver::test {

// An application whose handlers a test gives, served while the object lives.
class ServedApplication : public HttpApplication {
 public:
  using Handler = std::function<void(std::shared_ptr<HttpExchange>)>;

  explicit ServedApplication(std::map<std::string, Handler> handlers, HttpServerOptions options = {})
      : handlers_(std::move(handlers)),
        server_(std::move(options), *this),
        thread_([this] { server_.run(); }) {}
  ~ServedApplication() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  HttpServer& server() { return server_; }
  std::uint16_t port() const { return server_.port(); }
  void wait_for_end() { thread_.join(); }

  // Waits for the record of the next request.
  HttpRecord next_record() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(20), [this] { return !records_.empty(); })) {
      ADD_FAILURE() << "no request ended";
      return {};
    }
    HttpRecord record = records_.front();
    records_.erase(records_.begin());
    return record;
  }

  std::optional<HttpResponse> refuse(const HttpRequest& head) override {
    if (!handlers_.contains(head.path)) return HttpResponse{.status = 404, .body = "no " + head.path};
    return std::nullopt;
  }
  void handle(std::shared_ptr<HttpExchange> exchange) override {
    handlers_.at(exchange->request().path)(std::move(exchange));
  }
  HttpResponse error(int status, const std::string& message) override {
    return {.status = status, .body = message, .content_type = "text/plain"};
  }
  void done(const HttpRequest&, const HttpRecord& record) override {
    const std::lock_guard lock(mutex_);
    records_.push_back(record);
    changed_.notify_all();
  }

 private:
  const std::map<std::string, Handler> handlers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<HttpRecord> records_;
  HttpServer server_;
  std::thread thread_;
};

}  // namespace quiver::test
