#include "quiver/router.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/strings.h"
#include "routing/routers/router_method.h"

namespace quiver {
namespace {

constexpr std::string_view kExpertPrefix = "expert:";

constexpr std::array kCompatNames = {"none", "mttl", "peft", "phatgoose"};  // by Compat

// With the defaults of that implementation, which may not have the router.
RouterOptions with_defaults(const RouterMethod& method, Compat compat) {
  if (method.exists_in != nullptr && !method.exists_in(compat)) {
    throw Error(ErrorKind::kInvalidArgument,
                compat_name(compat) + " has no router '" + method.info.name + "'",
                "leave out --compat for this router");
  }
  RouterOptions options{.router = method.info.name, .compat = compat};
  if (method.set_defaults != nullptr) method.set_defaults(options);
  return options;
}

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

RouterSetting find_setting(const RouterOptions& options, const std::string& name) {
  std::vector<std::string> names;
  for (const RouterSetting& setting : router_info(options).settings) {
    if (setting.name == name) return setting;
    names.push_back(setting.name);
  }
  throw Error(ErrorKind::kInvalidArgument,
              "router '" + router_name(options) + "' has no setting '" + name + "'",
              names.empty() ? "leave it out" : "it has " + join(names, ", "));
}

bool is_value(const RouterSetting& setting, const std::string& value) {
  if (setting.is_text) return !value.empty();
  if (!setting.words.empty()) return std::ranges::find(setting.words, value) != setting.words.end();
  const std::optional<double> number = number_of(value);
  return number && *number >= setting.least && *number <= setting.most &&
         (!setting.is_whole || *number == std::floor(*number));
}

std::string wanted_value(const RouterSetting& setting) {
  if (setting.is_text) return "a text";
  if (!setting.words.empty()) return "one of " + join(setting.words, ", ");
  return std::string(setting.is_whole ? "a whole number" : "a number") + " between " +
         number_text(setting.least) + " and " + number_text(setting.most);
}

// A setting that the router does not have, and a value that it cannot take, are refused.
void check_setting(const RouterOptions& options, const std::string& name, const std::string& value) {
  const RouterSetting setting = find_setting(options, name);
  const std::string which = "'" + name + "' of router '" + router_name(options) + "'";
  if (!is_value(setting, value)) {
    throw Error(ErrorKind::kInvalidArgument,
                which + " is '" + value.substr(0, 100) + "', must be " + wanted_value(setting));
  }
  if (name != "fallback") return;
  try {
    if (parse_router(value, options.compat).router != options.router) return;
  } catch (const Error& error) {
    throw Error(error.kind(), which + ": " + error.what(), error.hint());
  }
  throw Error(ErrorKind::kInvalidArgument, which + " is the router itself", "name another, or base");
}

// The router that a setting names, with the same implementation's defaults.
std::optional<RouterOptions> named_router(const RouterOptions& router, const std::string& setting,
                                          const std::string& none) {
  for (const RouterSetting& known : router_info(router).settings) {
    if (known.name == setting && router_setting(router, setting) != none)
      return parse_router(router_setting(router, setting), router.compat);
  }
  return std::nullopt;
}

void check_known_expert(const char* role, const std::string& name, std::span<const std::string> names) {
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
  throw Error(ErrorKind::kNotFound, std::string(role) + " '" + name + "' is not among the experts",
              did_you_mean(name, names));
}

}  // namespace

std::vector<RouterInfo> router_infos() {
  std::vector<RouterInfo> infos;
  for (const RouterMethod* method : router_methods()) infos.push_back(method->info);
  return infos;
}

RouterInfo router_info(const RouterOptions& options) { return router_method(options.router).info; }

std::string router_names_text() {
  std::string text;
  for (const RouterMethod* method : router_methods()) {
    if (method != &kExpertRouter) text += (text.empty() ? "" : ", ") + method->info.name;
  }
  return text + " or expert:NAME";
}

RouterOptions parse_router(const std::string& text, Compat compat) {
  if (text.starts_with(kExpertPrefix)) {
    RouterOptions options = with_defaults(kExpertRouter, compat);
    options.expert = text.substr(kExpertPrefix.size());
    if (!options.expert.empty()) return options;
    throw Error(ErrorKind::kInvalidArgument, "router 'expert:' names no expert", "write expert:NAME");
  }
  if (text == kExpertRouter.info.name) return parse_router(std::string(kExpertPrefix), compat);
  return with_defaults(router_method(text), compat);
}

std::string router_name(const RouterOptions& options) {
  return options.expert.empty() ? options.router : std::string(kExpertPrefix) + options.expert;
}

void set_router_setting(RouterOptions& options, const std::string& name, const std::string& value) {
  check_setting(options, name, value);
  options.settings[name] = value;
}

std::string router_setting(const RouterOptions& options, const std::string& name) {
  const auto found = options.settings.find(name);
  return found != options.settings.end() ? found->second : find_setting(options, name).fallback;
}

double router_number(const RouterOptions& options, const std::string& name) {
  return *number_of(router_setting(options, name));
}

std::optional<RouterOptions> fallback_router(const RouterOptions& router) {
  return named_router(router, "fallback", kBaseRouter.info.name);
}

std::optional<RouterOptions> prior_router(const RouterOptions& router) {
  return named_router(router, "prior", "none");
}

std::vector<std::string> router_artefacts(const RouterOptions& router) {
  std::vector<std::string> kinds;
  const RouterMethod& method = router_method(router.router);
  // No kind: these options are read off the weights.
  const std::string own = method.artefact != nullptr ? method.artefact(router) : "";
  if (!own.empty()) kinds.push_back(own);
  for (const std::optional<RouterOptions>& other : {fallback_router(router), prior_router(router)}) {
    if (!other) continue;
    for (const std::string& kind : router_artefacts(*other)) kinds.push_back(kind);
  }
  return kinds;
}

std::string combine_name(Combine combine) { return combine == Combine::kOutput ? "output" : "parameter"; }

Combine parse_combine(const std::string& text) {
  if (text == "output") return Combine::kOutput;
  if (text == "parameter") return Combine::kParameter;
  throw Error(ErrorKind::kInvalidArgument, "unknown combine '" + text + "'; it is output or parameter");
}

std::string compat_name(Compat compat) { return kCompatNames[static_cast<std::size_t>(compat)]; }

Compat parse_compat(const std::string& text) {
  for (const Compat compat : {Compat::kNone, Compat::kMttl, Compat::kPeft, Compat::kPhatgoose}) {
    if (text == compat_name(compat)) return compat;
  }
  throw Error(ErrorKind::kInvalidArgument, "unknown compat '" + text + "'",
              "it is " + join(std::vector<std::string>(kCompatNames.begin(), kCompatNames.end()), ", "));
}

Json to_json(const RouterOptions& options) {
  Json object = {
      {"router", router_name(options)}, {"top_k", options.top_k}, {"combine", combine_name(options.combine)}};
  if (options.temperature > 0) object["temperature"] = options.temperature;
  if (!options.default_expert.empty()) object["default_expert"] = options.default_expert;
  if (options.compat != Compat::kNone) object["compat"] = compat_name(options.compat);
  if (options.bos != BeginOfText::kAuto) object["bos"] = begin_of_text_name(options.bos);
  for (const auto& [name, value] : options.settings) object[name] = value;
  return object;
}

RouterOptions router_options_from_json(const Json& object, const std::string& where) {
  if (!object.is_object()) {
    throw Error(ErrorKind::kInvalidArgument, where + ": a router is an object, not " + object.type_name());
  }
  if (!object.contains("router")) throw Error(ErrorKind::kInvalidArgument, where + ": 'router' is missing");
  RouterOptions options =
      parse_router(json_value<std::string>(object, "router", "", where),
                   parse_compat(json_value<std::string>(object, "compat", "none", where)));
  std::vector<std::string> keys = {"router",         "top_k",  "combine", "temperature",
                                   "default_expert", "compat", "bos"};
  for (const RouterSetting& setting : router_info(options).settings) keys.push_back(setting.name);
  for (const auto& [key, value] : object.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      throw Error(ErrorKind::kInvalidArgument,
                  where + ": unknown key '" + key + "'; keys are " + join(keys, ", "),
                  did_you_mean(key, keys));
    }
  }
  const Json top_k = json_value<Json>(object, "top_k", options.top_k, where);
  // nlohmann converts 2.7 and 2^40 to int without a word.
  if (!top_k.is_number_integer() || std::abs(top_k.get<double>()) > 1e9) {
    throw Error(ErrorKind::kInvalidArgument,
                where + ": 'top_k' must be a whole number, not " + dump_json(top_k).substr(0, 200));
  }
  options.top_k = top_k.get<int>();
  options.combine =
      parse_combine(json_value<std::string>(object, "combine", combine_name(options.combine), where));
  options.default_expert = json_value<std::string>(object, "default_expert", "", where);
  options.bos = parse_begin_of_text(json_value<std::string>(object, "bos", "auto", where));
  if (object.contains("temperature") && !object.at("temperature").is_null()) {
    options.temperature = json_value<double>(object, "temperature", 0, where);
    check_temperature(options.temperature);
  }
  for (const RouterSetting& setting : router_info(options).settings) {
    if (!object.contains(setting.name)) continue;
    const Json& value = object.at(setting.name);
    set_router_setting(options, setting.name,
                       value.is_string() ? value.get<std::string>() : dump_json(value));
  }
  return options;
}

void check_temperature(double temperature) {
  if (std::isfinite(temperature) && temperature > 0) return;
  throw Error(ErrorKind::kInvalidArgument,
              "temperature " + number_text(temperature) + " is not a finite number above 0",
              "leave it out for the router's own: 1 for arrow, sqrt(d) for phatgoose");
}

void validate(const RouterOptions& options, std::int64_t expert_count) {
  for (const auto& [name, value] : options.settings) check_setting(options, name, value);
  if (options.temperature != 0) check_temperature(options.temperature);
  if (options.router == kBaseRouter.info.name) return;
  if (expert_count < 1) {
    throw Error(ErrorKind::kInvalidArgument, "router '" + router_name(options) + "' has no experts to choose",
                "add experts to the library, or use the router 'base'");
  }
  // Sequence routers keep as many at most.
  if (router_info(options).kind == RouterClass::kToken && options.top_k > expert_count) {
    throw Error(ErrorKind::kInvalidArgument,
                "top_k " + std::to_string(options.top_k) + " of router '" + router_name(options) +
                    "' is above the number of experts, " + std::to_string(expert_count),
                "use a smaller top_k, or 0 for all experts");
  }
}

void validate(const RouterOptions& options, std::span<const std::string> expert_names) {
  validate(options, static_cast<std::int64_t>(expert_names.size()));
  if (options.router == kExpertRouter.info.name && options.expert.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "router 'expert:' names no expert", "write expert:NAME");
  }
  check_known_expert("expert", options.expert, expert_names);
  check_known_expert("default expert", options.default_expert, expert_names);
}

}  // namespace quiver
