#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "http/http_server.h"
#include "quiver/chat_template.h"
#include "quiver/engine.h"
#include "server/api_keys.h"
#include "server/model_registry.h"

namespace quiver {

struct ServerOptions {
  HttpServerOptions http = {};
  EngineOptions engine = {};
  ApiKeys keys = {};
  std::map<std::string, std::string> aliases = {};                // other names of models, with their ids
  std::optional<std::chrono::milliseconds> request_timeout = {};  // of a request for text; absent: none
  std::chrono::milliseconds drain{30'000};  // for running requests, when the server is to stop
};

// What a server serves.
struct ServedModels {
  std::shared_ptr<ModelRegistry> models;
  std::shared_ptr<const ChatTemplate> chat_template = {};  // null: no chats
};

// A server of routed models: HTTP, an engine, and the endpoints between them.
class Server {
 public:
  // Listens and answers from now on: /health and /metrics, and all else that there are no models yet. Throws
  // Error as HttpServer.
  explicit Server(ServerOptions options);
  // Cuts what there is.
  ~Server();

  std::string address() const;  // "127.0.0.1:8080"
  std::uint16_t port() const;

  // Answers everything from now on. Call it once. Throws Error as Engine.
  void open(ServedModels served);
  // Returns when `is_to_stop`, asked some times a second, says so: takes no more, lets what runs end, or cuts
  // it when the options' time is over. Call it after open().
  void run(const std::function<bool()>& is_to_stop);

 private:
  class State;
  const std::unique_ptr<State> state_;
};

}  // namespace quiver
