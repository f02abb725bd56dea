#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "http/http_message.h"
#include "protocol/api_error.h"
#include "quiver/chat_template.h"
#include "quiver/engine.h"
#include "server/adapter_use.h"
#include "server/metrics.h"
#include "server/model_registry.h"

namespace quiver {

// What the endpoints of a server share. Any number of threads may use it.
struct ServerContext {
  std::shared_ptr<ModelRegistry> models;
  std::map<std::string, std::string> aliases;         // other names of models, with their ids
  std::shared_ptr<const ChatTemplate> chat_template;  // null: none
  std::int64_t created;                               // when the server began, in seconds since 1970
  std::int64_t most_sequences;                        // that one request may ask for: all there is room for
  std::int64_t most_adapters;                         // that a batch may hold
  bool has_keys;                                      // every request has one
  std::optional<std::chrono::milliseconds> request_timeout;  // absent: none
  RequestMetrics metrics = {};
  AdapterUse adapters = {};
  std::atomic<bool> is_draining = false;
  boost::asio::thread_pool writer{1};  // writes answers, so that neither the engine nor input and output wait
  Engine engine;                       // its listeners use the rest
  boost::asio::thread_pool embeddings{1};  // runs texts beside the engine, so that no handler waits for them
};

// What fairness is between: who has a key is known by it, all others by their address.
std::string client_of(const HttpRequest& request, bool has_keys);
// When a request's time is over.
std::optional<std::chrono::steady_clock::time_point> deadline_of(const ServerContext& context,
                                                                 const HttpRequest& request);
// What a request gets then. REQUIRES: there is a request_timeout.
ApiError timeout_error(const ServerContext& context);

}  // namespace quiver
