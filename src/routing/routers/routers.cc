#include <array>

#include "core/strings.h"
#include "quiver/error.h"
#include "routing/routers/router_method.h"

namespace quiver {
namespace {

const std::array kMethods = {&kBaseRouter,  &kOracleRouter,    &kUniformRouter,           &kPromptRouter,
                             &kArrowRouter, &kPhatgooseRouter, &kAverageActivationRouter, &kSpectralRouter,
                             &kLogoRouter,  &kPolyRouter,      &kMixtureRouter,           &kExpertRouter};

}  // namespace

std::span<const RouterMethod* const> router_methods() { return kMethods; }

const RouterMethod& router_method(const std::string& name) {
  std::vector<std::string> names;
  for (const RouterMethod* method : kMethods) {
    if (method->info.name == name) return *method;
    if (method != &kExpertRouter) names.push_back(method->info.name);
  }
  throw Error(ErrorKind::kInvalidArgument,
              "unknown router '" + name + "'; routers are " + router_names_text(), did_you_mean(name, names));
}

}  // namespace quiver
