#include "quiver/router.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/strings.h"

namespace quiver {
namespace {

constexpr std::string_view kExpertPrefix = "expert:";

struct NamedKind {
  RouterKind kind;
  const char* name;
};
constexpr std::array kNamedKinds = {
    NamedKind{RouterKind::kBase, "base"}, NamedKind{RouterKind::kOracle, "oracle"},
    NamedKind{RouterKind::kUniform, "uniform"}, NamedKind{RouterKind::kArrow, "arrow"},
    NamedKind{RouterKind::kPhatgoose, "phatgoose"}};

constexpr std::array kCompatNames = {"none", "mttl", "peft", "phatgoose"};  // by Compat

RouterOptions defaults_of(RouterKind kind, Compat compat) {
  RouterOptions options{.kind = kind, .compat = compat};
  const bool keeps_mttl = compat == Compat::kNone || compat == Compat::kMttl;
  if (keeps_mttl && (kind == RouterKind::kUniform || kind == RouterKind::kArrow))
    options.combine = Combine::kParameter;
  if (kind == RouterKind::kPhatgoose) options.top_k = 2;
  if (kind == RouterKind::kArrow && compat == Compat::kPhatgoose) options.top_k = 2;
  if (kind == RouterKind::kArrow && compat == Compat::kPeft) options.top_k = 3;
  return options;
}

// Implementations do not have all routers.
void check_has_router(const RouterOptions& options) {
  const bool absent = (options.compat == Compat::kPeft && options.kind == RouterKind::kPhatgoose) ||
                      (options.compat == Compat::kPeft && options.kind == RouterKind::kUniform) ||
                      (options.compat == Compat::kPhatgoose && options.kind == RouterKind::kUniform);
  if (!absent) return;
  throw Error(ErrorKind::kInvalidArgument,
              compat_name(options.compat) + " has no router '" + router_name(options) + "'",
              "leave out --compat for this router");
}

std::string number_text(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

void check_known_expert(const char* role, const std::string& name, std::span<const std::string> names) {
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
  throw Error(ErrorKind::kNotFound, std::string(role) + " '" + name + "' is not among the experts",
              did_you_mean(name, names));
}

}  // namespace

RouterOptions parse_router(const std::string& text, Compat compat) {
  for (const auto& [kind, name] : kNamedKinds) {
    if (text != name) continue;
    const RouterOptions options = defaults_of(kind, compat);
    check_has_router(options);
    return options;
  }
  if (text.starts_with(kExpertPrefix)) {
    RouterOptions options = defaults_of(RouterKind::kSingleExpert, compat);
    options.expert = text.substr(kExpertPrefix.size());
    if (!options.expert.empty()) return options;
    throw Error(ErrorKind::kInvalidArgument, "router 'expert:' names no expert", "write expert:NAME");
  }
  std::vector<std::string> names;
  for (const auto& named : kNamedKinds) names.emplace_back(named.name);
  const std::string nearest = did_you_mean(text, names);
  throw Error(ErrorKind::kInvalidArgument,
              "unknown router '" + text + "'; routers are " + join(names, ", ") + ", expert:NAME", nearest);
}

std::string router_name(const RouterOptions& options) {
  for (const auto& [kind, name] : kNamedKinds) {
    if (kind == options.kind) return name;
  }
  return std::string(kExpertPrefix) + options.expert;
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
  return object;
}

RouterOptions router_options_from_json(const Json& object, const std::string& where) {
  static const std::vector<std::string> keys = {"router",         "top_k",  "combine", "temperature",
                                                "default_expert", "compat", "bos"};
  if (!object.is_object()) {
    throw Error(ErrorKind::kInvalidArgument, where + ": a router is an object, not " + object.type_name());
  }
  for (const auto& [key, value] : object.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      throw Error(ErrorKind::kInvalidArgument,
                  where + ": unknown key '" + key + "'; keys are " + join(keys, ", "),
                  did_you_mean(key, keys));
    }
  }
  if (!object.contains("router")) throw Error(ErrorKind::kInvalidArgument, where + ": 'router' is missing");
  RouterOptions options =
      parse_router(json_value<std::string>(object, "router", "", where),
                   parse_compat(json_value<std::string>(object, "compat", "none", where)));
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
  return options;
}

void check_temperature(double temperature) {
  if (std::isfinite(temperature) && temperature > 0) return;
  throw Error(ErrorKind::kInvalidArgument,
              "temperature " + number_text(temperature) + " is not a finite number above 0",
              "leave it out for the router's own: 1 for arrow, sqrt(d) for phatgoose");
}

void validate(const RouterOptions& options, std::int64_t expert_count) {
  if (options.temperature != 0) check_temperature(options.temperature);
  if (options.kind == RouterKind::kBase) return;
  if (expert_count < 1) {
    throw Error(ErrorKind::kInvalidArgument, "router '" + router_name(options) + "' has no experts to choose",
                "add experts to the library, or use the router 'base'");
  }
  if (options.top_k > expert_count) {
    throw Error(ErrorKind::kInvalidArgument,
                "top_k " + std::to_string(options.top_k) + " of router '" + router_name(options) +
                    "' is above the number of experts, " + std::to_string(expert_count),
                "use a smaller top_k, or 0 for all experts");
  }
}

void validate(const RouterOptions& options, std::span<const std::string> expert_names) {
  validate(options, static_cast<std::int64_t>(expert_names.size()));
  if (options.kind == RouterKind::kSingleExpert && options.expert.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "router 'expert:' names no expert", "write expert:NAME");
  }
  check_known_expert("expert", options.expert, expert_names);
  check_known_expert("default expert", options.default_expert, expert_names);
}

}  // namespace quiver
