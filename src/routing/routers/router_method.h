#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/mixture.h"
#include "quiver/library.h"
#include "quiver/router.h"
#include "routing/expert_set.h"
#include "routing/sequence_rule.h"

namespace quiver {

// What a router may ask about the base model.
struct BaseFacts {
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::string fingerprint = {};
  std::string name = {};
  std::vector<std::string> slots = {};  // paths, by slot index
};

struct RouterParts {
  const RouterOptions& options;
  const ExpertSet& experts;
  const BaseFacts& base;
  std::string uri = {};  // of the library, for hints
};

using FittedTensors = std::map<std::string, at::Tensor>;

// All that is known of one router: each has a file here that defines its own, and a line in routers.cc.
struct RouterMethod {
  RouterInfo info;

  // Defaults that are not RouterOptions' own, by options.compat. Null: none.
  void (*set_defaults)(RouterOptions& options) = nullptr;
  // Whether that implementation has the router. Null: all have.
  bool (*exists_in)(Compat compat) = nullptr;

  // The experts that it uses, where those are named. Null: all.
  std::vector<std::string> (*named_experts)(const RouterOptions& options) = nullptr;

  // The kind of artefact that every expert must have. Null, or "": none.
  std::string (*artefact)(const RouterOptions& options) = nullptr;
  // What computes it, after "quiver ", for the library at `uri`.
  std::string (*command)(const RouterOptions& options, const std::string& uri) = nullptr;

  // Token routers. The rule for inputs of this width, but for top_k and combination.
  MixtureRule (*rule)(const RouterOptions& options, std::int64_t width) = nullptr;
  // The artefact's tensor that holds a slot's routing vector. Null: the slot's path.
  std::string (*vector_key)(const std::string& slot) = nullptr;
  // An expert's routing vectors (V, d) by slot from its weights. Null, or empty: its artefact holds them.
  std::map<std::int64_t, at::Tensor> (*vectors_of)(const RouterParts& parts, std::size_t expert) = nullptr;
  // The tensor of the artefact kCalibrationKind that an expert's logits in a slot are calibrated by. Null:
  // none.
  std::string (*calibration_key)(const RouterOptions& options, const std::string& slot) = nullptr;
  // Routing vectors as the rule wants them. Null: as they are.
  at::Tensor (*prepare)(const RouterOptions& options, const at::Tensor& vectors) = nullptr;

  // Fixed and sequence routers: the rule from the experts' artefacts (one each, in their order; none where
  // `artefact` is null), or from what its tensors() gave.
  std::shared_ptr<const SequenceRule> (*fit)(const RouterParts& parts,
                                             std::span<const Artefact* const> artefacts) = nullptr;
  std::shared_ptr<const SequenceRule> (*restore)(const RouterParts& parts,
                                                 const FittedTensors& tensors) = nullptr;
};

// Throws Error(kInvalidArgument) for a name that no router has.
const RouterMethod& router_method(const std::string& name);
std::span<const RouterMethod* const> router_methods();

// The router that a router's setting `fallback` names, with the same implementation's defaults; nothing where
// there is none, or it is "base".
std::optional<RouterOptions> fallback_router(const RouterOptions& router);

// The sequence router whose log-probabilities a token router adds to its logits; nothing for prior "none".
std::optional<RouterOptions> prior_router(const RouterOptions& router);

// RouterMethod::command of routers that read statistics.
std::string statistics_command(const RouterOptions& options, const std::string& uri);

extern const RouterMethod kBaseRouter, kOracleRouter, kUniformRouter, kArrowRouter, kPhatgooseRouter,
    kSpectralRouter, kLogoRouter, kPromptRouter, kAverageActivationRouter, kPolyRouter, kMixtureRouter,
    kExpertRouter;

}  // namespace quiver
