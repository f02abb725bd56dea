#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "quiver/chat_template.h"
#include "quiver/engine.h"
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
  RequestMetrics metrics = {};
  std::atomic<bool> is_draining = false;
  Engine engine;                           // its listeners use the rest
  boost::asio::thread_pool embeddings{1};  // runs texts beside the engine, so that no handler waits for them
};

}  // namespace quiver
