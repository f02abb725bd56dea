#include "server/server.h"

#include <future>
#include <thread>

#include "protocol/api_error.h"
#include "server/access_log.h"
#include "server/adapter_routes.h"
#include "server/chat.h"
#include "server/completions.h"
#include "server/embeddings.h"
#include "server/page_route.h"
#include "server/routes.h"
#include "server/server_context.h"
#include "server/status_routes.h"
#include "server/token_routes.h"

namespace quiver {
namespace {

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

class Server::State : public HttpApplication {
 public:
  State(std::shared_ptr<ModelRegistry> models, ServerOptions options)
      : keys_(std::move(options.keys)),
        drain_(options.drain),
        context_{.models = models,
                 .aliases = std::move(options.aliases),
                 .chat_template = std::move(options.chat_template),
                 .created = now_seconds(),
                 .most_sequences = options.engine.decoding.max_sequences + options.engine.max_queue,
                 .engine = Engine(models->base(), options.engine)},
        http_(std::move(options.http), *this) {
    add_status_routes(routes_, context_);
    add_adapter_routes(routes_, context_.models);
    add_token_routes(routes_, context_);
    add_completion_route(routes_, context_);
    add_chat_routes(routes_, context_);
    add_embedding_route(routes_, context_);
    add_page_route(routes_);
  }

  const HttpServer& http() const { return http_; }

  void run(const std::function<bool()>& is_to_stop) {
    std::future<void> served = std::async(std::launch::async, [this] { http_.run(); });
    constexpr std::chrono::milliseconds kTurn(50);
    while (served.wait_for(kTurn) != std::future_status::ready && !is_to_stop()) {
    }
    context_.is_draining = true;
    http_.drain();
    if (served.wait_for(drain_) != std::future_status::ready) http_.stop();
    served.get();
  }

  std::optional<HttpResponse> refuse(const HttpRequest& head) override {
    const Route* const route = routes_.find(head);
    const bool is_open = route != nullptr && route->key == Route::Key::kNotNeeded;
    if (!is_open && head.method != "OPTIONS" && !keys_.admit(head.header("authorization"))) {
      return to_response(
          ApiError(401, "the header 'Authorization: Bearer KEY' is missing or has a key that is not known",
                   {}, "invalid_api_key"));
    }
    return routes_.refuse(head);
  }
  void handle(std::shared_ptr<HttpExchange> exchange) override { routes_.handle(exchange); }
  HttpResponse error(int status, const std::string& message) override {
    return to_response(ApiError(status, message));
  }
  void done(const HttpRequest& request, const HttpRecord& record) override { log_access(request, record); }

 private:
  const ApiKeys keys_;
  const std::chrono::milliseconds drain_;
  ServerContext context_;
  Routes routes_;
  HttpServer http_;
};

Server::Server(std::shared_ptr<ModelRegistry> models, ServerOptions options)
    : state_(std::make_unique<State>(std::move(models), std::move(options))) {}
Server::~Server() = default;

std::string Server::address() const { return state_->http().address(); }
std::uint16_t Server::port() const { return state_->http().port(); }
void Server::run(const std::function<bool()>& is_to_stop) { state_->run(is_to_stop); }

}  // namespace quiver
