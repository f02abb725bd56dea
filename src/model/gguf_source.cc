#include <algorithm>
#include <set>

#include "model/families/gguf_architecture.h"
#include "model/weight_source.h"
#include "tensor/file_problem.h"

namespace quiver {
namespace {

// GGUF files of llama hold q and k rows in the order of interleaved rotary pairs (2i, 2i + 1) within each
// head; this decoder, as Hugging Face, pairs (i, i + head_dim / 2).
at::Tensor uninterleave_heads(const at::Tensor& weight, std::int64_t heads) {
  return weight.reshape({heads, weight.size(0) / heads / 2, 2, -1})
      .transpose(1, 2)
      .reshape(weight.sizes())
      .contiguous();
}

class GgufSource : public WeightSource {
 public:
  explicit GgufSource(const std::filesystem::path& path)
      : file_(GgufFile::open(path)), architecture_(read_gguf_architecture(file_)) {
    const Family& family = *architecture_.family;
    config_ = family.from_config(architecture_.config, path.string());
    names_ = family.names;
    names_.linear_weights_are_transposed = false;  // the format holds (out, in) for every family
    gguf_names_ = gguf_tensor_names(names_, config_.layers);
    read_biases();
    divide_frequencies();
    eos_id_ = token_id("tokenizer.ggml.eos_token_id");
    config_.stop_ids = {eos_id_};
    for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
      if (file_.has(key)) config_.stop_ids.push_back(token_id(key));
    }
    std::sort(config_.stop_ids.begin(), config_.stop_ids.end());
    config_.stop_ids.erase(std::unique(config_.stop_ids.begin(), config_.stop_ids.end()),
                           config_.stop_ids.end());
  }

  std::string where() const override { return file_.path().string(); }
  const DecoderConfig& config() const override { return config_; }
  const TensorNames& names() const override { return names_; }
  std::int32_t eos_id() const override { return eos_id_; }

  std::shared_ptr<const Tokenizer> tokenizer() const override {
    GgufVocabulary vocabulary{.model = file_.text("tokenizer.ggml.model"),
                              .tokens = file_.texts("tokenizer.ggml.tokens")};
    if (file_.has("tokenizer.ggml.token_type"))
      vocabulary.token_types = file_.integers("tokenizer.ggml.token_type");
    if (vocabulary.model == "llama") {
      vocabulary.scores = file_.numbers("tokenizer.ggml.scores");
      vocabulary.add_space_prefix = file_.integer_or("tokenizer.ggml.add_space_prefix", 1) != 0;
    } else if (vocabulary.model == "gpt2") {
      vocabulary.pre = file_.text_or("tokenizer.ggml.pre", vocabulary.pre);
      vocabulary.merges = file_.texts("tokenizer.ggml.merges");
    }
    vocabulary.eos_id = eos_id_;
    if (file_.has("tokenizer.ggml.bos_token_id"))
      vocabulary.bos_id = static_cast<std::int32_t>(file_.integer("tokenizer.ggml.bos_token_id"));
    vocabulary.add_bos = flag("tokenizer.ggml.add_bos_token");
    vocabulary.add_eos = flag("tokenizer.ggml.add_eos_token");
    return Tokenizer::from_vocabulary(vocabulary);
  }

  std::size_t tensor_count() const override { return file_.names().size(); }
  bool contains(const std::string& name) const override { return file_.contains(gguf_name(name)); }

  at::Tensor read(const std::string& name) const override {
    const at::Tensor weight = file_.read(gguf_name(name));
    // The format adds the offset of norms to their weights.
    if (config_.norm_offset != 0 && name.ends_with("norm.weight")) return weight - config_.norm_offset;
    const std::int64_t heads = interleaved_heads(name);
    if (heads == 0) return weight;
    check_heads_fit(weight.sizes(), heads);
    return uninterleave_heads(weight, heads);
  }

  std::optional<QuantizedBlocks> read_blocks(const std::string& name) const override {
    std::optional<QuantizedBlocks> blocks = file_.read_blocks(gguf_name(name));
    const std::int64_t heads = interleaved_heads(name);
    if (!blocks || heads == 0) return blocks;
    check_heads_fit({blocks->rows, blocks->width}, heads);
    const at::Tensor bytes =
        at::from_blob(blocks->bytes.data(), {blocks->rows, blocks->row_bytes()}, at::kByte);
    bytes.copy_(uninterleave_heads(bytes, heads));
    return blocks;
  }

  // A tensor that the decoder does not use changes what the model computes.
  void check_unused(const std::set<std::string>& used) const override {
    std::set<std::string> known;
    for (const std::string& name : used) known.insert(gguf_name(name));
    if (!config_.rotary.empty())
      known.insert({"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"});
    for (const std::string& name : file_.names()) {
      if (known.contains(name)) continue;
      throw Error(ErrorKind::kUnsupported, where() + ": tensor '" + printable(name) +
                                               "' has no place in the " + config_.family + " decoder");
    }
  }

 private:
  const std::string& gguf_name(const std::string& name) const {
    const auto found = gguf_names_.find(name);
    return found == gguf_names_.end() ? name : found->second;
  }

  // The format says by the tensors themselves which layers have one.
  void read_biases() {
    const std::string* firsts[kGroupsPerLayer] = {
        &names_.query, &names_.attention_out, names_.gate.empty() ? &names_.up : &names_.gate, &names_.down};
    for (std::size_t kind = 0; kind < config_.has_bias.size(); ++kind) {
      if (contains(TensorNames::at_layer(*firsts[kind], 0) + ".bias")) config_.has_bias[kind] = true;
    }
  }

  std::int32_t token_id(const char* key) const {
    const std::int64_t id = file_.integer(key);
    if (id == static_cast<std::int32_t>(id)) return static_cast<std::int32_t>(id);
    throw Error(ErrorKind::kCorruptFile, where() + ": '" + key + "' is " + std::to_string(id));
  }

  // Llama 3's scaled rotary frequencies are stored as what to divide the plain ones by.
  void divide_frequencies() {
    if (!file_.contains("rope_freqs.weight")) return;
    if (config_.rotary.size() != 1 || config_.rotary.front().boundary > 0) {
      throw Error(ErrorKind::kUnsupported, where() + ": 'rope_freqs.weight' is not supported for this model");
    }
    const at::Tensor divisors = file_.read("rope_freqs.weight");
    at::Tensor& frequencies = config_.rotary.front().frequencies;
    if (divisors.sizes() != frequencies.sizes() || !divisors.gt(0).all().item<bool>()) {
      throw Error(ErrorKind::kCorruptFile, where() +
                                               ": 'rope_freqs.weight' does not hold one positive "
                                               "number for each rotated pair");
    }
    frequencies = frequencies / divisors;
  }

  std::optional<bool> flag(const std::string& key) const {
    if (!file_.has(key)) return std::nullopt;
    return file_.integer(key) != 0;
  }

  // 0 for tensors whose rows need no other order.
  std::int64_t interleaved_heads(const std::string& name) const {
    if (!architecture_.heads_are_interleaved) return 0;
    if (name.find("self_attn.q_proj") != std::string::npos) return config_.attention.heads;
    if (name.find("self_attn.k_proj") != std::string::npos) return config_.attention.kv_heads;
    return 0;
  }

  void check_heads_fit(at::IntArrayRef shape, std::int64_t heads) const {
    if (shape.empty() || shape.size() > 2 || c10::multiply_integers(shape) == 0 ||
        shape[0] % (2 * heads) != 0) {
      throw Error(ErrorKind::kCorruptFile,
                  where() + ": an attention weight does not fit the number of heads");
    }
  }

  GgufFile file_;
  GgufArchitecture architecture_;
  DecoderConfig config_;
  TensorNames names_;
  std::map<std::string, std::string> gguf_names_;  // by Hugging Face name
  std::int32_t eos_id_ = 0;
};

}  // namespace

std::unique_ptr<WeightSource> open_gguf(const std::filesystem::path& file) {
  return std::make_unique<GgufSource>(file);
}

}  // namespace quiver
