#include "model_arguments.h"

#include <algorithm>
#include <functional>
#include <set>

#include "model_cache.h"
#include "quiver/error.h"

namespace quiver::program {
namespace {

// Not every implementation has every router.
RouterOptions compatible_router(const std::string& text, const std::string& compat) {
  try {
    return parse_router(text, parse_compat(compat));
  } catch (const Error& error) {
    throw UsageError("--compat: " + std::string(error.what()) + "; " + error.hint());
  }
}

std::string routers_that(const std::function<bool(const RouterInfo&)>& condition) {
  std::string names;
  for (const RouterInfo& info : router_infos()) {
    if (condition(info)) names += (names.empty() ? "" : ", ") + info.name;
  }
  return names;
}

bool selects(const RouterInfo& info) { return info.selects; }
bool combines(const RouterInfo& info) { return info.combines; }
bool is_token(const RouterInfo& info) { return info.kind == RouterClass::kToken; }

// An option that none of the routers reads is a mistake.
void require_reader(const std::string& option, const std::vector<RouterOptions>& routers,
                    const std::function<bool(const RouterInfo&)>& reads) {
  const auto read = [&](const RouterOptions& router) { return reads(router_info(router)); };
  if (std::ranges::none_of(routers, read))
    throw UsageError(option + " goes with --router " + routers_that(reads));
}

std::string routers_with(const std::string& setting) {
  return routers_that([&](const RouterInfo& info) {
    return std::ranges::any_of(info.settings, [&](const RouterSetting& own) { return own.name == setting; });
  });
}

// --prior-weight for the setting prior_weight.
std::string option_name(const std::string& setting) {
  std::string name = "--" + setting;
  std::ranges::replace(name, '_', '-');
  return name;
}

// One option for each setting that a router has, whichever router was first to name it.
void add_setting_options(Command& command, std::map<std::string, std::string>& settings) {
  std::set<std::string> added;
  for (const RouterInfo& info : router_infos()) {
    for (const RouterSetting& setting : info.settings) {
      if (!added.insert(setting.name).second) continue;
      const std::string fallback = setting.fallback.empty() ? "" : "; default " + setting.fallback;
      command
          .add_option_function(
              option_name(setting.name),
              [&settings, name = setting.name](const std::string& value) { settings[name] = value; },
              "(" + routers_with(setting.name) + ") " + setting.help + fallback)
          ->check(parsed_by([router = info.name, name = setting.name](const std::string& value) {
            RouterOptions options{.router = router};
            set_router_setting(options, name, value);
          }));
    }
  }
}

// Puts the settings into those of the routers that have them.
void apply_settings(const std::map<std::string, std::string>& settings, std::vector<RouterOptions>& routers) {
  for (const auto& [name, value] : settings) {
    bool is_used = false;
    for (RouterOptions& router : routers) {
      const RouterInfo info = router_info(router);
      if (std::ranges::none_of(info.settings, [&](const RouterSetting& own) { return own.name == name; }))
        continue;
      set_router_setting(router, name, value);
      is_used = true;
    }
    if (!is_used) throw UsageError(option_name(name) + " goes with --router " + routers_with(name));
  }
}

}  // namespace

void ModelArguments::add_to(Command& command, const std::string& positional) {
  command
      .add_option(positional, model,
                  "A Hugging Face folder, a .gguf file, a fetched name, or a composed folder")
      ->required();
  command.add_option("--library", library, "Expert library: local://DIR, a path, or virtual://NAME");
  command.add_option("--router", routers, router_names_text())
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(parsed_by([](const std::string& text) { parse_router(text); }));
  command.add_option("--top-k", top_k, "Experts kept (" + routers_that(selects) + "); 0: all")
      ->check(Range{0, 1 << 30});
  command
      .add_option("--temperature", temperature, "Divides the routing logits (" + routers_that(is_token) + ")")
      ->check(number_above_zero());
  command.add_option("--combine", combine, "output (merge after) or parameter (merge before)")
      ->check(OneOf{{"output", "parameter"}});
  command.add_option("--default-expert", default_expert, "Oracle: the expert for tasks that none covers");
  command.add_option("--compat", compat, "Whose numbers to reproduce: none, mttl, peft or phatgoose")
      ->check(OneOf{{"none", "mttl", "peft", "phatgoose"}})
      ->capture_default_str();
  add_setting_options(command, settings);
  add_bos_option(
      command, bos,
      "Begin-of-text before every text: auto (as the experts were trained, or as the base's tokenizer "
      "says), always or never");
}

BeginOfText ModelArguments::begin_of_text(BeginOfText fallback) const {
  return bos ? parse_begin_of_text(*bos) : fallback;
}

void add_truncate_option(Command& command, Truncation& truncation) {
  command
      .add_option_function(
          "--truncate", [&truncation](const std::string& text) { truncation = parse_truncation(text); },
          "What a prompt loses that is too long for the model: left (its beginning, the default), right (its "
          "end), or error")
      ->check(OneOf{{"left", "right", "error"}});
}

void add_bos_option(Command& command, std::optional<std::string>& bos, const std::string& help) {
  command.add_option("--bos", bos, help)->check(OneOf{{"auto", "always", "never"}});
}

std::vector<RouterOptions> ModelArguments::router_options() const {
  std::vector<RouterOptions> options;
  for (const std::string& text : routers) {
    RouterOptions router = compatible_router(text, compat);
    router.bos = begin_of_text();
    const RouterInfo info = router_info(router);
    if (info.selects) router.top_k = top_k.value_or(usual_top_k.value_or(router.top_k));
    if (temperature && is_token(info)) router.temperature = *temperature;
    if (combine && info.combines) router.combine = parse_combine(*combine);
    if (router.router == "oracle") router.default_expert = default_expert;
    if (router.router != "base" && library.empty()) {
      throw UsageError("--router " + text + " needs --library");
    }
    options.push_back(std::move(router));
  }
  if (options.empty()) {
    if (!library.empty()) {
      throw UsageError("--library needs --router: " + router_names_text());
    }
    options.push_back({.bos = begin_of_text()});
  }
  if (top_k) require_reader("--top-k", options, selects);
  if (temperature) require_reader("--temperature", options, is_token);
  if (combine) require_reader("--combine", options, combines);
  if (!default_expert.empty()) {
    require_reader("--default-expert", options, [](const RouterInfo& info) { return info.name == "oracle"; });
  }
  apply_settings(settings, options);
  return options;
}

std::vector<RoutedModel> ModelArguments::load(const BaseModelOptions& base_options) const {
  if (RoutedModel::is_saved_model(model)) {
    if (!routers.empty() || !library.empty() || top_k || temperature || combine || !default_expert.empty() ||
        compat != "none" || !settings.empty()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "'" + model + "' is a composed model and has its router already",
                  "leave out --library, --router and the router's options");
    }
    RoutedModel composed = RoutedModel::load(model, nullptr, base_options);
    return {bos ? composed.with_begin_of_text(begin_of_text()) : composed};
  }
  const std::vector<RouterOptions> options = router_options();
  const std::shared_ptr<const BaseModel> base = BaseModel::load(resolve_base(model), base_options);
  bool only_base = true;
  for (const RouterOptions& router : options) only_base = only_base && router.router == "base";
  if (only_base) {
    const BeginOfText of_base =
        begin_of_text(compat == compat_name(Compat::kMttl) ? BeginOfText::kNever : BeginOfText::kAuto);
    return std::vector<RoutedModel>(options.size(), RoutedModel(base, of_base));
  }
  return RoutedModel::compose_all(base, ExpertLibrary::open(library), options);
}

RoutedModel ModelArguments::load_one(const GlobalOptions& global) const {
  if (routers.size() > 1) {
    throw UsageError("this command takes one --router, not " + std::to_string(routers.size()) +
                     "; `quiver eval` takes several");
  }
  return load(global.model_options()).front();
}

}  // namespace quiver::program
