#include "server/status_routes.h"

#include <chrono>

#include "core/json.h"
#include "core/strings.h"
#include "protocol/api_error.h"
#include "quiver/version.h"

namespace quiver {
namespace {

HttpResponse health(const ServerContext& context) {
  if (context.is_draining) return {.status = 503, .body = R"({"status":"draining"})"};
  Json answer = {{"status", "ok"}};
  const std::vector<std::string> problems = context.models->problems();
  if (!problems.empty()) answer["problems"] = problems;
  return {.body = dump_json(answer)};
}

Json model_json(const ServerContext& context, const ServedModel& model, const std::string& id) {
  return {{"id", id},
          {"object", "model"},
          {"created", context.created},
          {"owned_by", "quiver"},
          {"root", model.root},
          {"parent", model.parent.empty() ? Json() : Json(model.parent)},
          {"max_model_len", context.models->base()->shape().max_positions}};
}

// Aliases stand before the models that they name.
Json model_list(const ServerContext& context) {
  Json list = Json::array();
  for (const ServedModel& model : context.models->models()) {
    for (const auto& [alias, id] : context.aliases) {
      if (id == model.id) list.push_back(model_json(context, model, alias));
    }
    list.push_back(model_json(context, model, model.id));
  }
  return list;
}

HttpResponse one_model(const ServerContext& context, const HttpRequest& request) {
  const std::string id = request.path.substr(std::string_view("/v1/models/").size());
  for (const Json& model : model_list(context)) {
    if (model.at("id") == id) return {.body = dump_json(model)};
  }
  throw ApiError(404, "there is no model '" + escape_controls(id) + "'", "model", "model_not_found");
}

// llama.cpp's list; no expert is mixed into what names none, so that every scale is 0.
HttpResponse adapters(const ServerContext& context) {
  Json list = Json::array();
  for (const ServedModel& model : context.models->models()) {
    if (model.kind == ServedModel::Kind::kExpert)
      list.push_back({{"id", list.size()}, {"path", model.root}, {"scale", 0.0}, {"name", model.id}});
  }
  return {.body = dump_json(list)};
}

struct MetricsSources {
  std::string model;
  const EngineStats& stats;
  const RequestMetrics& requests;
  const AdapterUse& adapters;
  std::int64_t most_adapters;
};

// As vLLM has it: the names stand in labels, the value is the time.
void write_adapters(MetricsText& text, const MetricsSources& sources) {
  const std::string name = "vllm:lora_requests_info";
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  text.declare(name, "gauge", "Adapters that requests run with and wait for, at the time that is the value.");
  text.sample(name,
              {{"max_lora", std::to_string(sources.most_adapters)},
               {"running_lora_adapters", sources.adapters.running()},
               {"waiting_lora_adapters", sources.adapters.waiting()}},
              now.count());
}

HttpResponse metrics_of(const MetricsSources& sources) {
  const MetricsText::Labels labels = {{"model_name", sources.model}};
  MetricsText text;
  const auto number = [&](const std::string& name, const std::string& type, const std::string& help,
                          double value) {
    text.declare(name, type, help);
    text.sample(name, labels, value);
  };
  const DecodingStats& decoding = sources.stats.decoding;
  const double usage = decoding.cache_pages > 0 ? static_cast<double>(decoding.used_pages) /
                                                      static_cast<double>(decoding.cache_pages)
                                                : 0;
  number("vllm:num_requests_running", "gauge", "Sequences that are decoded.",
         static_cast<double>(decoding.sequences));
  number("vllm:num_requests_waiting", "gauge", "Sequences in the queue.",
         static_cast<double>(sources.stats.waiting));
  number("vllm:kv_cache_usage_perc", "gauge", "Share of the caches' memory in use, 0 to 1.", usage);
  number("vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked for in the prefix cache.",
         static_cast<double>(decoding.prefix_queries));
  number("vllm:prefix_cache_hits_total", "counter", "Prompt tokens found there.",
         static_cast<double>(decoding.prefix_hits));
  write_adapters(text, sources);
  sources.requests.write(text, labels);
  return {.body = text.text(), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
}

HttpResponse metrics(const ServerContext& context) {
  return metrics_of({.model = context.models->models().front().id,
                     .stats = context.engine.stats(),
                     .requests = context.metrics,
                     .adapters = context.adapters,
                     .most_adapters = context.most_adapters});
}

}  // namespace

void add_loading_routes(Routes& routes, std::int64_t most_adapters) {
  const auto health = [](const HttpRequest&) {
    return HttpResponse{.status = 503, .body = R"({"status":"loading"})"};
  };
  routes.add(whole_route("GET", "/health", health, Route::Key::kNotNeeded));
  routes.add(whole_route("GET", "/metrics", [most_adapters](const HttpRequest&) {
    return metrics_of(
        {.model = "base", .stats = {}, .requests = {}, .adapters = {}, .most_adapters = most_adapters});
  }));
}

void add_status_routes(Routes& routes, ServerContext& context) {
  routes.add(whole_route(
      "GET", "/health", [&](const HttpRequest&) { return health(context); }, Route::Key::kNotNeeded));
  routes.add(whole_route("GET", "/version", [](const HttpRequest&) {
    return HttpResponse{.body = dump_json({{"version", kVersion}})};
  }));
  routes.add(whole_route("GET", "/metrics", [&](const HttpRequest&) { return metrics(context); }));
  routes.add(whole_route("GET", "/v1/models", [&](const HttpRequest&) {
    return HttpResponse{.body = dump_json({{"object", "list"}, {"data", model_list(context)}})};
  }));
  routes.add(whole_route("GET", "/v1/models/*",
                         [&](const HttpRequest& request) { return one_model(context, request); }));
  routes.add(whole_route("GET", "/lora-adapters", [&](const HttpRequest&) { return adapters(context); }));
}

}  // namespace quiver
