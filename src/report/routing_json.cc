#include "report/routing_json.h"

namespace quiver {
namespace {

const JsonChecker::Keys kKeys = {{"abstained", "weights"}, {"accuracy", "expert_p", "entropy"}};
// ln of more experts than fit into any memory.
constexpr double kMaxEntropy = 50;
constexpr double kRounding = 1e-3;

}  // namespace

Json routing_to_json(const RoutingMeasures& routing) {
  Json json = {{"abstained", routing.abstained}, {"weights", Json::object()}};
  for (const auto& [task, weights] : routing.weights) json["weights"][task] = weights;
  if (routing.accuracy) json["accuracy"] = *routing.accuracy;
  if (routing.expert_p) json["expert_p"] = *routing.expert_p;
  if (routing.entropy) json["entropy"] = *routing.entropy;
  return json;
}

RoutingMeasures routing_from_json(const Json& object, const JsonChecker& checker) {
  checker.require(object.is_object(), "'routing' must be an object but is " + JsonChecker::shown(object));
  checker.keys(object, kKeys);
  RoutingMeasures routing;
  const auto optional = [&](const char* key) -> std::optional<double> {
    if (!object.contains(key)) return std::nullopt;
    return checker.number(object.at(key), std::string("routing.") + key);
  };
  routing.accuracy = optional("accuracy");
  routing.expert_p = optional("expert_p");
  routing.entropy = optional("entropy");
  routing.abstained = checker.number(object.at("abstained"), "routing.abstained");
  for (const auto& task : checker.object(object, "weights").items()) {
    const std::string key = "routing.weights." + task.key();
    checker.require(task.value().is_object(),
                    "'" + key + "' must be an object but is " + JsonChecker::shown(task.value()));
    std::map<std::string, double>& weights = routing.weights[task.key()];
    for (const auto& item : task.value().items())
      weights[item.key()] = checker.number(item.value(), key + "." + item.key());
  }
  return routing;
}

void check_routing(const RoutingMeasures& routing, const JsonChecker& checker) {
  if (routing.accuracy) checker.in_range(*routing.accuracy, "routing.accuracy", 0, 1);
  if (routing.expert_p) checker.in_range(*routing.expert_p, "routing.expert_p", 0, 1);
  if (routing.entropy) checker.in_range(*routing.entropy, "routing.entropy", 0, kMaxEntropy);
  checker.in_range(routing.abstained, "routing.abstained", 0, 1);
  for (const auto& [task, weights] : routing.weights) {
    double sum = 0;
    for (const auto& [expert, weight] : weights) {
      checker.in_range(weight, "routing.weights." + task + "." + expert, 0, 1);
      sum += weight;
    }
    checker.require(sum <= 1 + kRounding, "the weights of 'routing.weights." + task + "' sum to " +
                                              std::to_string(sum) + ", which is more than 1");
  }
}

}  // namespace quiver
