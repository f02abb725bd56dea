#include "server/model_choice.h"

#include "core/strings.h"
#include "protocol/api_error.h"

namespace quiver {
namespace {

std::string id_of(const ServerContext& context, const std::string& name) {
  if (name.empty()) return context.models->models().front().id;
  const auto alias = context.aliases.find(name);
  return alias == context.aliases.end() ? name : alias->second;
}

[[noreturn]] void throw_unknown_model(const ServerContext& context, const std::string& name) {
  std::vector<std::string> ids;
  for (const auto& [alias, id] : context.aliases) ids.push_back(alias);
  for (const ServedModel& model : context.models->models()) ids.push_back(model.id);
  const std::string near = did_you_mean(name, ids);
  throw ApiError(404,
                 "there is no model '" + escape_controls(name) + "'; " +
                     (near.empty() ? "GET /v1/models lists those there are" : near),
                 "model", "model_not_found");
}

RouterOptions chosen_options(const RouterOptions& of_model, const RouterField& field) {
  RouterOptions options = of_model;
  if (!field.name.empty() && field.name != router_name(of_model)) {
    options = parse_router(field.name, of_model.compat);
    options.bos = of_model.bos;
  }
  if (field.top_k) options.top_k = static_cast<int>(*field.top_k);
  if (field.temperature) options.temperature = *field.temperature;
  if (field.combine) options.combine = parse_combine(*field.combine);
  if (field.prior) set_router_setting(options, "prior", *field.prior);
  return options;
}

}  // namespace

RoutedModel choose_model(const ServerContext& context, const std::string& name,
                         const std::optional<RouterField>& router) {
  const std::string id = id_of(context, name);
  const auto named = [&] {
    try {
      return context.models->model(id);
    } catch (const Error& error) {
      const std::vector<ServedModel> models = context.models->models();
      const bool is_served =
          std::ranges::any_of(models, [&](const ServedModel& model) { return model.id == id; });
      if (error.kind() != ErrorKind::kNotFound || is_served) throw;
      throw_unknown_model(context, name);
    }
  };
  if (!router) return named();
  try {
    if (!router->experts.empty()) return context.models->mixture(router->experts);
    return context.models->routed(chosen_options(named().router(), *router));
  } catch (const Error& error) {
    const ApiError described = api_error_of(error);
    const bool is_asked_wrongly = error.kind() == ErrorKind::kNotFound || described.status() < 500;
    throw ApiError(is_asked_wrongly ? 400 : described.status(), described.what(), "router");
  }
}

std::vector<std::string> adapters_of(const ServerContext& context, const std::string& name,
                                     const RoutedModel& model) {
  const RouterOptions& router = model.router();
  std::vector<std::string> ids;
  if (router.router == "expert") {
    const std::string id = id_of(context, name);
    ids.push_back(id == router.expert ? id : router_name(router));
  } else if (router.router == "mixture") {
    for (const std::string& expert : model.expert_names()) ids.push_back("expert:" + expert);
  }
  return ids;
}

std::string shown_model(const ServerContext& context, const std::string& name) {
  return name.empty() ? context.models->models().front().id : name;
}

}  // namespace quiver
