#include "model/families/gguf_architecture.h"

#include <cmath>
#include <vector>

#include "model/families/gguf_settings.h"
#include "tensor/file_problem.h"

namespace quiver {
namespace {

std::vector<float> float_values(const GgufFile& file, const std::string& name) {
  const at::Tensor values = file.read(name).flatten().contiguous();
  const float* data = values.const_data_ptr<float>();
  return {data, data + values.numel()};
}

// Linear and yarn scaling, as llama.cpp reads it: without a type it is linear, and the files of 2023 call the
// factor "scale_linear".
Json scaled_rope(GgufSettings& settings) {
  const double old_factor = settings.number_or("rope.scale_linear", 0);
  double factor = settings.number_or("rope.scaling.factor", old_factor);
  if (factor == 0) factor = 1;  // not set
  const std::string scaling = settings.text_or("rope.scaling.type", "linear");
  if (scaling == "none" || (scaling == "linear" && factor == 1)) return Json::object();
  if (scaling != "linear" && scaling != "yarn") {
    throw Error(ErrorKind::kUnsupported,
                settings.where() + ": rope scaling '" + printable(scaling) + "' is not supported",
                "supported: none, linear, yarn, and longrope with its tensors of factors");
  }
  Json rope = {{"rope_type", scaling}, {"factor", factor}};
  if (scaling == "linear") return rope;
  const double attention_factor = settings.number_or("rope.scaling.attn_factor", 1);
  if (attention_factor != 1)
    rope["attention_factor"] = attention_factor * (factor > 1 ? 1 + 0.1 * std::log(factor) : 1);
  for (const char* beta : {"beta_fast", "beta_slow"}) {
    const std::string name = std::string("rope.scaling.yarn_") + beta;
    if (settings.has(name)) rope[beta] = settings.number_or(name, 0);
  }
  return rope;
}

// Rope settings: scaling by metadata, factors of longrope by tensors. (Llama 3's scaling is a tensor of
// divisors, which GgufSource applies.)
void read_rope(GgufSettings& settings) {
  settings.number("rope.freq_base", "rope_theta");
  settings.size("rope.scaling.original_context_length", "original_max_position_embeddings");
  Json& config = settings.config();
  if (!settings.file().contains("rope_factors_long.weight")) {
    if (const Json rope = scaled_rope(settings); !rope.empty()) config["rope_scaling"] = rope;
    return;
  }
  Json rope = {{"rope_type", "longrope"},
               {"long_factor", float_values(settings.file(), "rope_factors_long.weight")},
               {"short_factor", float_values(settings.file(), "rope_factors_short.weight")}};
  if (settings.has("rope.scaling.attn_factor"))
    rope["attention_factor"] = settings.number_or("rope.scaling.attn_factor", 1);
  const std::string type = settings.text_or("rope.scaling.type", "longrope");
  if (type != "longrope" && type != "none")
    settings.refuse("rope.scaling.type", "is '" + printable(type) + "' beside the factors of longrope");
  settings.must_be("rope.scaling.factor", 1);
  config["rope_scaling"] = rope;
  if (!config.contains("original_max_position_embeddings"))
    config["original_max_position_embeddings"] = config.at("max_position_embeddings");
}

// Whether less than whole heads turn, which only some architectures know.
enum class Turning { kWholeHeads, kPartOfHeads };

// Sizes, norms and rope of every architecture but gpt2.
void read_common(GgufSettings& settings, Turning turning) {
  settings.require_layers("num_hidden_layers");
  const std::int64_t hidden = settings.require_size("embedding_length", "hidden_size");
  settings.require_size("feed_forward_length", "intermediate_size");
  settings.require_size("context_length", "max_position_embeddings");
  const std::int64_t heads = settings.require_size("attention.head_count", "num_attention_heads");
  settings.size("attention.head_count_kv", "num_key_value_heads");
  Json& config = settings.config();
  config["head_dim"] = hidden / heads;
  settings.size("attention.key_length", "head_dim");
  read_rope(settings);
  const auto head_dim = config.at("head_dim").get<double>();
  settings.must_be("attention.value_length", head_dim);
  if (turning == Turning::kWholeHeads) {
    settings.must_be("rope.dimension_count", head_dim);
  } else {
    config["partial_rotary_factor"] = settings.number_or("rope.dimension_count", head_dim) / head_dim;
  }
}

void read_rms_norm(GgufSettings& settings) {
  settings.require_number("attention.layer_norm_rms_epsilon", "rms_norm_eps");
}

// The format's own programs divide the scores by the square root of this width, or multiply by the scale.
void check_scale(GgufSettings& settings, std::int64_t width) {
  if (settings.number_or("attention.scale", 0) == 0) return;  // not set
  settings.must_be("attention.scale", 1 / std::sqrt(static_cast<double>(width)));
}

void read_llama_like(GgufSettings& settings) {
  read_common(settings, Turning::kWholeHeads);
  read_rms_norm(settings);
  check_scale(settings, settings.config().at("head_dim"));
}

void read_phi3(GgufSettings& settings) {
  read_common(settings, Turning::kPartOfHeads);
  read_rms_norm(settings);
  check_scale(settings, settings.config().at("head_dim"));
  settings.size("attention.sliding_window", "sliding_window");
}

void read_phi2(GgufSettings& settings) {
  read_common(settings, Turning::kPartOfHeads);
  settings.number("attention.layer_norm_epsilon", "layer_norm_eps");
  check_scale(settings, settings.config().at("head_dim"));
  settings.must_be("use_parallel_residual", 1);
}

// One number, every how many layers one is global, or a truth value for each layer that slides.
void read_sliding_pattern(GgufSettings& settings) {
  const std::string name = "attention.sliding_window_pattern";
  if (!settings.has(name)) return;
  Json& config = settings.config();
  if (!settings.file().is_array(settings.key(name))) {
    settings.size(name, "sliding_window_pattern");
    return;
  }
  Json types = Json::array();
  for (const std::int32_t slides : settings.integers(name))
    types.push_back(slides != 0 ? "sliding_attention" : "full_attention");
  config["layer_types"] = types;
}

void read_gemma3(GgufSettings& settings) {
  read_common(settings, Turning::kWholeHeads);
  read_rms_norm(settings);
  settings.size("attention.sliding_window", "sliding_window");
  settings.number("rope.freq_base_swa", "rope_local_base_freq");
  read_sliding_pattern(settings);
  Json& config = settings.config();
  // The format keeps no scale of the scores. As its own programs do: by the head's width, but in the model
  // of 62 layers by hidden size over heads.
  const std::int64_t per_head =
      config.at("hidden_size").get<std::int64_t>() / config.at("num_attention_heads").get<std::int64_t>();
  const bool is_largest = config.at("num_hidden_layers").get<std::int64_t>() == 62;
  const auto width = is_largest ? per_head : config.at("head_dim").get<std::int64_t>();
  config["query_pre_attn_scalar"] = width;
  check_scale(settings, width);
}

void read_gpt2(GgufSettings& settings) {
  settings.require_layers("n_layer");
  const std::int64_t hidden = settings.require_size("embedding_length", "n_embd");
  settings.require_size("feed_forward_length", "n_inner");
  settings.require_size("context_length", "n_positions");
  const std::int64_t heads = settings.require_size("attention.head_count", "n_head");
  settings.number("attention.layer_norm_epsilon", "layer_norm_epsilon");
  settings.must_be("attention.head_count_kv", static_cast<double>(heads));
  for (const char* name : {"attention.key_length", "attention.value_length"})
    settings.must_be(name, static_cast<double>(hidden / heads));
  check_scale(settings, hidden / heads);
}

// Adapters and vocabularies come in this format too, and models in parts.
void check_is_model(const GgufFile& file) {
  const std::string type = file.text_or("general.type", "model");
  if (type != "model") {
    throw Error(ErrorKind::kUnsupported,
                file.path().string() + ": 'general.type' is '" + printable(type) + "', not 'model'",
                "give the base model itself");
  }
  const std::int64_t parts = file.integer_or("split.count", 1);
  if (parts <= 1) return;
  throw Error(ErrorKind::kUnsupported,
              file.path().string() + ": one of " + std::to_string(parts) + " parts of a model",
              "put them together with llama-gguf-split --merge");
}

struct Architecture {
  const Family* family;
  void (*read)(GgufSettings&);
};

}  // namespace

GgufArchitecture read_gguf_architecture(const GgufFile& file) {
  static const std::map<std::string, Architecture> kArchitectures = {
      {"gemma3", {&kGemma3Family, read_gemma3}},   {"gpt2", {&kGpt2Family, read_gpt2}},
      {"llama", {&kLlamaFamily, read_llama_like}}, {"phi2", {&kPhiFamily, read_phi2}},
      {"phi3", {&kPhi3Family, read_phi3}},         {"qwen2", {&kQwen2Family, read_llama_like}},
      {"qwen3", {&kQwen3Family, read_llama_like}},
  };
  check_is_model(file);
  GgufSettings settings(file);
  const auto found = kArchitectures.find(settings.architecture());
  if (found == kArchitectures.end()) {
    std::string known;
    for (const auto& [name, architecture] : kArchitectures) known += (known.empty() ? "" : ", ") + name;
    throw Error(ErrorKind::kUnsupported,
                settings.where() + ": GGUF architecture '" + printable(settings.architecture()) +
                    "' is not supported",
                "supported: " + known);
  }
  GgufArchitecture result;
  result.family = found->second.family;
  found->second.read(settings);
  settings.check_rest();
  result.config = settings.config();
  const std::vector<std::int64_t> embedding = file.shape("token_embd.weight");
  if (embedding.empty()) throw_corrupt(file.path(), "'token_embd.weight' is no matrix");
  result.config["vocab_size"] = embedding.front();
  result.config["tie_word_embeddings"] = !file.contains("output.weight");
  result.heads_are_interleaved = settings.architecture() == "llama";
  return result;
}

std::map<std::string, std::string> gguf_tensor_names(const TensorNames& names, std::int64_t layers) {
  std::map<std::string, std::string> result;
  const auto add_module = [&](const std::string& path, const std::string& gguf) {
    if (path.empty()) return;
    for (const char* part : {".weight", ".bias"}) result[path + part] = gguf + part;
  };
  result[names.embedding] = "token_embd.weight";
  if (!names.positions.empty()) result[names.positions] = "position_embd.weight";
  add_module(names.final_norm, "output_norm");
  add_module(names.head, "output");
  const std::pair<const std::string&, const char*> parts[] = {
      {names.attention_norm, "attn_norm"},
      {names.query, names.key.empty() ? "attn_qkv" : "attn_q"},
      {names.key, "attn_k"},
      {names.value, "attn_v"},
      {names.query_norm, "attn_q_norm"},
      {names.key_norm, "attn_k_norm"},
      {names.attention_out, "attn_output"},
      {names.attention_out_norm, "post_attention_norm"},
      {names.mlp_norm, "ffn_norm"},
      {names.gate, "ffn_gate"},
      {names.up, "ffn_up"},
      {names.down, "ffn_down"},
      {names.mlp_out_norm, "post_ffw_norm"},
  };
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    for (const auto& [pattern, gguf] : parts)
      add_module(TensorNames::at_layer(pattern, layer), "blk." + std::to_string(layer) + "." + gguf);
  }
  return result;
}

}  // namespace quiver
