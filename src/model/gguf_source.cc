#include <algorithm>
#include <set>

#include "model/families/gguf_architecture.h"
#include "model/weight_source.h"

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
    config_ = family.from_config(architecture_.config, "GGUF");
    names_ = family.names;
    names_.linear_weights_are_transposed = false;  // the format holds (out, in) for every family
    gguf_names_ = gguf_tensor_names(names_, config_.layers);
    divide_frequencies();
    refuse_unknown_tensors(path);
    eos_id_ = static_cast<std::int32_t>(file_.integer("tokenizer.ggml.eos_token_id"));
    config_.stop_ids = {eos_id_};
    for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
      if (file_.has(key)) config_.stop_ids.push_back(static_cast<std::int32_t>(file_.integer(key)));
    }
    std::sort(config_.stop_ids.begin(), config_.stop_ids.end());
    config_.stop_ids.erase(std::unique(config_.stop_ids.begin(), config_.stop_ids.end()),
                           config_.stop_ids.end());
  }

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
    return Tokenizer::from_vocabulary(vocabulary);
  }

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

 private:
  const std::string& gguf_name(const std::string& name) const {
    const auto found = gguf_names_.find(name);
    return found == gguf_names_.end() ? name : found->second;
  }

  // Llama 3's scaled rotary frequencies are stored as what to divide the plain ones by.
  void divide_frequencies() {
    if (!file_.contains("rope_freqs.weight")) return;
    if (config_.rotary.size() != 1) {
      throw Error(ErrorKind::kUnsupported, "GGUF: 'rope_freqs.weight' is not supported for this family");
    }
    const at::Tensor divisors = file_.read("rope_freqs.weight");
    at::Tensor& frequencies = config_.rotary.front().frequencies;
    if (divisors.sizes() != frequencies.sizes() || !divisors.gt(0).all().item<bool>()) {
      throw Error(ErrorKind::kCorruptFile,
                  "GGUF: 'rope_freqs.weight' does not hold one positive number for each rotated pair");
    }
    frequencies = frequencies / divisors;
  }

  // A tensor that the decoder would not read changes what the model computes.
  void refuse_unknown_tensors(const std::filesystem::path& path) const {
    std::set<std::string> known = {"rope_freqs.weight", "rope_factors_long.weight",
                                   "rope_factors_short.weight"};
    for (const auto& [name, gguf] : gguf_names_) known.insert(gguf);
    for (const std::string& name : file_.names()) {
      if (known.count(name) > 0) continue;
      throw Error(ErrorKind::kUnsupported, path.string() + ": tensor '" + name + "' has no place in the " +
                                               config_.family + " decoder");
    }
  }

  // 0 for tensors whose rows need no other order.
  std::int64_t interleaved_heads(const std::string& name) const {
    if (!architecture_.heads_are_interleaved) return 0;
    if (name.find("self_attn.q_proj") != std::string::npos) return config_.attention.heads;
    if (name.find("self_attn.k_proj") != std::string::npos) return config_.attention.kv_heads;
    return 0;
  }

  static void check_heads_fit(at::IntArrayRef shape, std::int64_t heads) {
    if (shape.empty() || shape.size() > 2 || c10::multiply_integers(shape) == 0 ||
        shape[0] % (2 * heads) != 0) {
      throw Error(ErrorKind::kCorruptFile, "GGUF: an attention weight does not fit the number of heads");
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
