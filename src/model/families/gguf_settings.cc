#include "model/families/gguf_settings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <vector>

#include "core/log.h"
#include "model/families/family.h"
#include "tensor/file_problem.h"

namespace quiver {
namespace {

// Keys that no decoder here has a part for, and the values with which there is none to have.
const std::map<std::string, std::vector<double>, std::less<>>& neutral_values() {
  static const std::map<std::string, std::vector<double>, std::less<>> kValues = {
      {"attention.causal", {1}},
      {"attention.clamp_kqv", {0}},
      {"attention.max_alibi_bias", {0}},
      {"attention.output_scale", {0, 1}},
      {"attention.shared_kv_layers", {0}},
      {"attention.sliding_window", {0}},
      {"attention.temperature_length", {0}},
      {"attention.temperature_scale", {0}},
      {"attn_logit_softcapping", {0}},
      {"embedding_scale", {0, 1}},
      {"expert_count", {0}},
      {"expert_shared_count", {0}},
      {"expert_used_count", {0}},
      {"final_logit_softcapping", {0}},
      {"logit_scale", {0, 1}},
      {"nextn_predict_layers", {0}},
      {"residual_scale", {0, 1}},
      {"rope.scaling.alpha", {0}},
      {"rope.scaling.attn_factor", {0, 1}},
      {"rope.scaling.yarn_attn_factor", {0, 1}},
      {"rope.scaling.yarn_ext_factor", {-1, 1}},
      {"rope.scaling.yarn_log_multiplier", {0}},
      {"router_logit_softcapping", {0}},
      {"swin_norm", {0}},
      {"use_parallel_residual", {0}},
  };
  return kValues;
}

// Keys that change nothing in a decoder: what describes the file, what asks for a training, what is of
// experts where there are none, how longer texts were learned.
bool is_harmless(std::string_view name) {
  constexpr std::array<std::string_view, 17> kNames = {"vocab_size",
                                                       "tensor_data_layout",
                                                       "pooling_type",
                                                       "decoder_start_token_id",
                                                       "leading_dense_block_count",
                                                       "expert_feed_forward_length",
                                                       "expert_shared_feed_forward_length",
                                                       "expert_chunk_feed_forward_length",
                                                       "expert_weights_scale",
                                                       "expert_weights_norm",
                                                       "expert_gating_func",
                                                       "expert_group_count",
                                                       "expert_group_used_count",
                                                       "moe_every_n_layers",
                                                       "interleave_moe_layer_step",
                                                       "rope.scaling.finetuned",
                                                       "rope.scaling.original_context_length"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// Of parts that the decoder has, and so not to be passed over when unknown. An epsilon of another kind of
// norm than the decoder's is for none of its parts.
bool may_change_results(std::string_view name) {
  constexpr std::array<std::string_view, 8> kStarts = {"rope.", "attention.", "expert", "embedding_",
                                                       "ssm.",  "wkv.",       "altup.", "swiglu_"};
  if (name.starts_with("attention.") && name.find("_norm_") != std::string_view::npos) return false;
  return std::ranges::any_of(kStarts, [&](std::string_view start) { return name.starts_with(start); });
}

std::string number_text(double value) { return dump_json(Json(value)); }

}  // namespace

double GgufSettings::number_or(const std::string& name, double fallback) {
  asked_for_.insert(name);
  return has(name) ? file_.number(key(name)) : fallback;
}

std::string GgufSettings::text_or(const std::string& name, const std::string& fallback) {
  asked_for_.insert(name);
  return file_.text_or(key(name), fallback);
}

std::int64_t GgufSettings::require_size(const std::string& name, const char* setting) {
  asked_for_.insert(name);
  const std::int64_t size = checked_size(file_.integer(key(name)), printable(key(name)), where());
  config_[setting] = size;
  return size;
}

std::vector<std::int32_t> GgufSettings::integers(const std::string& name) {
  asked_for_.insert(name);
  return file_.integers(key(name));
}

void GgufSettings::require_number(const std::string& name, const char* setting) {
  asked_for_.insert(name);
  config_[setting] = file_.number(key(name));
}

void GgufSettings::size(const std::string& name, const char* setting) {
  if (has(name)) require_size(name, setting);
}

void GgufSettings::number(const std::string& name, const char* setting) {
  if (has(name)) require_number(name, setting);
}

void GgufSettings::require_layers(const char* setting) {
  const std::int64_t layers = require_size("block_count", setting);
  const auto tensors = static_cast<std::int64_t>(file_.names().size());
  if (layers <= tensors) return;
  throw_corrupt(file_.path(), "'" + key("block_count") + "' is " + std::to_string(layers) +
                                  ", but the file has " + std::to_string(tensors) + " tensors");
}

void GgufSettings::must_be(const std::string& name, double wanted) {
  if (!has(name)) return;
  const double value = number_or(name, 0);
  if (std::abs(value - wanted) <= 1e-5 * std::abs(wanted)) return;
  refuse(name, "is " + number_text(value) + " where this architecture has " + number_text(wanted));
}

void GgufSettings::refuse(const std::string& name, const std::string& why) const {
  throw Error(ErrorKind::kUnsupported, where() + ": '" + printable(key(name)) + "' " + why);
}

void GgufSettings::check_rest() const {
  std::string unknown;
  for (const std::string& full : file_.keys()) {
    if (!full.starts_with(architecture_ + ".")) continue;
    const std::string name = full.substr(architecture_.size() + 1);
    if (asked_for_.contains(name) || is_harmless(name)) continue;
    const auto neutral = neutral_values().find(name);
    if (neutral != neutral_values().end()) {
      const double value = file_.number(full);
      const bool sees_all =
          name == "attention.sliding_window" && value >= file_.number(key("context_length"));
      if (!sees_all && std::ranges::find(neutral->second, value) == neutral->second.end())
        refuse(name, number_text(value) + " is not supported");
    } else if (may_change_results(name)) {
      refuse(name, "is not known, and may change what the model computes");
    } else {
      unknown += (unknown.empty() ? "'" : ", '") + printable(full) + "'";
    }
  }
  if (!unknown.empty()) log_warning(where() + ": settings that are not known are not used: " + unknown);
}

}  // namespace quiver
