#include "server/server.h"

#include <malloc.h>

#include <atomic>
#include <future>

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

// The endpoints, and what stands behind them.
struct Endpoints {
  Endpoints(ServedModels served, const ServerOptions& options)
      : context{.models = served.models,
                .aliases = options.aliases,
                .chat_template = std::move(served.chat_template),
                .created = now_seconds(),
                .most_sequences = options.engine.decoding.max_sequences + options.engine.max_queue,
                .most_adapters = options.engine.decoding.max_sequences,
                .has_keys = !options.keys.are_none(),
                .request_timeout = options.request_timeout,
                .engine = Engine(served.models->base(), options.engine)} {
    add_status_routes(routes, context);
    add_adapter_routes(routes, context.models);
    add_token_routes(routes, context);
    add_completion_route(routes, context);
    add_chat_routes(routes, context);
    add_embedding_route(routes, context);
    add_page_route(routes);
  }
  // What is still to be written uses the engine.
  ~Endpoints() { context.writer.join(); }

  ServerContext context;
  Routes routes;
};

}  // namespace

class Server::State : public HttpApplication {
 public:
  explicit State(ServerOptions options) : options_(std::move(options)), http_(options_.http, *this) {
    add_loading_routes(loading_routes_, options_.engine.decoding.max_sequences);
    served_ = std::async(std::launch::async, [this] { http_.run(); });
  }
  ~State() override {
    http_.stop();
    if (served_.valid()) served_.wait();
  }

  const HttpServer& http() const { return http_; }

  void open(ServedModels served) {
    endpoints_ = std::make_unique<Endpoints>(std::move(served), options_);
    open_ = endpoints_.get();
  }

  void run(const std::function<bool()>& is_to_stop) {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds kTurn(50);
    constexpr std::chrono::minutes kTrimming(1);
    Clock::time_point next = Clock::now() + kTrimming;
    while (served_.wait_for(kTurn) != std::future_status::ready && !is_to_stop()) {
      if (Clock::now() < next || !is_idle()) continue;
      // The program keeps what it frees (main.cc), and over days of experts that come and go in ever more
      // pieces. It takes up to a tenth of a second, so no stream must wait for it.
      malloc_trim(0);
      next = Clock::now() + kTrimming;
    }
    endpoints_->context.is_draining = true;
    http_.drain();
    if (served_.wait_for(options_.drain) != std::future_status::ready) http_.stop();
    served_.get();
  }

  std::optional<HttpResponse> refuse(const HttpRequest& head) override {
    const Endpoints* const open = open_;
    const Routes& routes = open == nullptr ? loading_routes_ : open->routes;
    const Route* const route = routes.find(head);
    const bool is_free = route != nullptr && route->key == Route::Key::kNotNeeded;
    if (!is_free && head.method != "OPTIONS" && !options_.keys.admit(head.header("authorization"))) {
      return to_response(
          ApiError(401, "the header 'Authorization: Bearer KEY' is missing or has a key that is not known",
                   {}, "invalid_api_key"));
    }
    if (open == nullptr && route == nullptr)
      return to_response(ApiError(503, "the model is being loaded; GET /health says when it is ready"));
    return routes.refuse(head);
  }
  void handle(std::shared_ptr<HttpExchange> exchange) override {
    const Endpoints* const open = open_;
    (open == nullptr ? loading_routes_ : open->routes).handle(exchange);
  }
  HttpResponse error(int status, const std::string& message) override {
    return to_response(ApiError(status, message));
  }
  void done(const HttpRequest& request, const HttpRecord& record) override { log_access(request, record); }

 private:
  bool is_idle() const {
    const EngineStats stats = endpoints_->context.engine.stats();
    return stats.decoding.sequences == 0 && stats.waiting == 0;
  }

  const ServerOptions options_;
  Routes loading_routes_;
  std::unique_ptr<Endpoints> endpoints_;
  std::atomic<const Endpoints*> open_ = nullptr;  // the same, from open() on
  HttpServer http_;
  std::future<void> served_;  // http_.run()
};

Server::Server(ServerOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Server::~Server() = default;

std::string Server::address() const { return state_->http().address(); }
std::uint16_t Server::port() const { return state_->http().port(); }
void Server::open(ServedModels served) { state_->open(std::move(served)); }
void Server::run(const std::function<bool()>& is_to_stop) { state_->run(is_to_stop); }

}  // namespace quiver
