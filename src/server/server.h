#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
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
  std::shared_ptr<const ChatTemplate> chat_template = {};  // null: no chats
  std::map<std::string, std::string> aliases = {};         // other names of models, with their ids
  std::chrono::milliseconds drain{30'000};                 // for running requests, when the server is to stop
};

// A server of routed models: HTTP, an engine, and the endpoints between them.
class Server {
 public:
  // Listens from now on, and answers once run() is called. Throws Error as HttpServer and Engine.
  Server(std::shared_ptr<ModelRegistry> models, ServerOptions options);
  ~Server();

  std::string address() const;  // "127.0.0.1:8080"
  std::uint16_t port() const;

  // Serves until `is_to_stop`, asked some times a second, says so. Then takes no more, lets what runs end, or
  // cuts it when the options' time is over.
  void run(const std::function<bool()>& is_to_stop);

 private:
  class State;
  const std::unique_ptr<State> state_;
};

}  // namespace quiver
