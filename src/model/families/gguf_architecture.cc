#include "model/families/gguf_architecture.h"

#include <vector>

namespace quiver {
namespace {

class SettingsReader {
 public:
  explicit SettingsReader(const GgufFile& file)
      : file_(file), architecture_(file.text("general.architecture")) {}

  const std::string& architecture() const { return architecture_; }
  std::string key(const std::string& name) const { return architecture_ + "." + name; }
  bool has(const std::string& name) const { return file_.has(key(name)); }

  void require_size(const char* name, const char* setting) {
    config_[setting] = checked_size(file_.integer(key(name)), key(name), "GGUF");
  }
  void size(const char* name, const char* setting) {
    if (has(name)) require_size(name, setting);
  }
  void number(const char* name, const char* setting) {
    if (has(name)) config_[setting] = file_.number(key(name));
  }

  Json& config() { return config_; }
  const GgufFile& file() const { return file_; }

 private:
  const GgufFile& file_;
  std::string architecture_;
  Json config_ = Json::object();
};

std::vector<float> float_values(const GgufFile& file, const std::string& name) {
  const at::Tensor values = file.read(name).flatten().contiguous();
  const float* data = values.const_data_ptr<float>();
  return {data, data + values.numel()};
}

// Rope settings: scaling by metadata, factors of longrope by tensors. (Llama 3's scaling is a tensor of
// divisors, which GgufSource applies.)
void read_rope(SettingsReader& reader) {
  Json rope = Json::object();
  const std::string scaling = reader.file().text_or(reader.key("rope.scaling.type"), "none");
  if (reader.file().contains("rope_factors_long.weight")) {
    rope["rope_type"] = "longrope";
    rope["long_factor"] = float_values(reader.file(), "rope_factors_long.weight");
    rope["short_factor"] = float_values(reader.file(), "rope_factors_short.weight");
    if (reader.has("rope.scaling.attn_factor"))
      rope["attention_factor"] = reader.file().number(reader.key("rope.scaling.attn_factor"));
  } else if (scaling == "linear" || scaling == "yarn") {
    rope["rope_type"] = scaling;
    rope["factor"] = reader.file().number(reader.key("rope.scaling.factor"));
  } else if (scaling != "none") {
    throw Error(ErrorKind::kUnsupported, "GGUF: rope scaling '" + scaling + "' is not supported");
  }
  reader.size("rope.scaling.original_context_length", "original_max_position_embeddings");
  if (!rope.empty()) reader.config()["rope_scaling"] = rope;
}

// Sizes, norms and rope of every architecture but gpt2.
void read_common(SettingsReader& reader) {
  reader.require_size("block_count", "num_hidden_layers");
  reader.require_size("embedding_length", "hidden_size");
  reader.require_size("feed_forward_length", "intermediate_size");
  reader.require_size("context_length", "max_position_embeddings");
  reader.require_size("attention.head_count", "num_attention_heads");
  reader.size("attention.head_count_kv", "num_key_value_heads");
  reader.size("attention.key_length", "head_dim");
  reader.number("rope.freq_base", "rope_theta");
  read_rope(reader);
  Json& config = reader.config();
  const auto heads = config.at("num_attention_heads").get<std::int64_t>();
  const std::int64_t head_dim =
      config.value("head_dim", config.at("hidden_size").get<std::int64_t>() / heads);
  const std::int64_t rotated = reader.file().integer_or(reader.key("rope.dimension_count"), head_dim);
  if (rotated != head_dim) {
    config["partial_rotary_factor"] =
        static_cast<double>(rotated) / static_cast<double>(std::max<std::int64_t>(1, head_dim));
  }
}

void read_llama_like(SettingsReader& reader) {
  read_common(reader);
  reader.config()["rms_norm_eps"] = reader.file().number(reader.key("attention.layer_norm_rms_epsilon"));
}

void read_phi3(SettingsReader& reader) {
  read_llama_like(reader);
  reader.size("attention.sliding_window", "sliding_window");
}

void read_phi2(SettingsReader& reader) {
  read_common(reader);
  reader.number("attention.layer_norm_epsilon", "layer_norm_eps");
}

void read_gemma3(SettingsReader& reader) {
  read_llama_like(reader);
  reader.size("attention.sliding_window", "sliding_window");
  reader.number("rope.freq_base_swa", "rope_local_base_freq");
  Json& config = reader.config();
  // The format keeps no scale of the scores. As its own programs do: by the head's width, but in the model
  // of 62 layers by hidden size over heads.
  const std::int64_t per_head =
      config.at("hidden_size").get<std::int64_t>() / config.at("num_attention_heads").get<std::int64_t>();
  config["query_pre_attn_scalar"] = config.at("num_hidden_layers").get<std::int64_t>() == 62
                                        ? per_head
                                        : config.value("head_dim", std::int64_t{256});
}

void read_gpt2(SettingsReader& reader) {
  reader.require_size("block_count", "n_layer");
  reader.require_size("embedding_length", "n_embd");
  reader.require_size("feed_forward_length", "n_inner");
  reader.require_size("context_length", "n_positions");
  reader.require_size("attention.head_count", "n_head");
  reader.number("attention.layer_norm_epsilon", "layer_norm_epsilon");
}

struct Architecture {
  const Family* family;
  void (*read)(SettingsReader&);
};

}  // namespace

GgufArchitecture read_gguf_architecture(const GgufFile& file) {
  static const std::map<std::string, Architecture> kArchitectures = {
      {"gemma3", {&kGemma3Family, read_gemma3}},   {"gpt2", {&kGpt2Family, read_gpt2}},
      {"llama", {&kLlamaFamily, read_llama_like}}, {"phi2", {&kPhiFamily, read_phi2}},
      {"phi3", {&kPhi3Family, read_phi3}},         {"qwen2", {&kQwen2Family, read_llama_like}},
      {"qwen3", {&kQwen3Family, read_llama_like}},
  };
  SettingsReader reader(file);
  const auto found = kArchitectures.find(reader.architecture());
  if (found == kArchitectures.end()) {
    std::string known;
    for (const auto& [name, architecture] : kArchitectures) known += (known.empty() ? "" : ", ") + name;
    throw Error(ErrorKind::kUnsupported, "GGUF architecture '" + reader.architecture() + "' is not supported",
                "supported: " + known);
  }
  GgufArchitecture result;
  result.family = found->second.family;
  found->second.read(reader);
  result.config = reader.config();
  result.config["vocab_size"] = file.shape("token_embd.weight").at(0);
  result.config["tie_word_embeddings"] = !file.contains("output.weight");
  result.heads_are_interleaved = reader.architecture() == "llama";
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
