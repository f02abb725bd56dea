#include <set>

#include "model/families/family.h"
#include "model/weight_source.h"

namespace quiver {
namespace {

// GGUF files of llama hold q and k rows in the order of interleaved rotary pairs (2i, 2i + 1) within each
// head; this decoder, as Hugging Face, pairs (i, i + head_dim / 2).
at::Tensor uninterleave_heads(const at::Tensor& weight, std::int64_t heads) {
  const std::int64_t out = weight.size(0), in = weight.size(1);
  return weight.reshape({heads, out / heads / 2, 2, in}).transpose(1, 2).reshape({out, in}).contiguous();
}

class GgufSource : public WeightSource {
 public:
  explicit GgufSource(const std::filesystem::path& path) : file_(GgufFile::open(path)) {
    const std::string architecture = file_.text("general.architecture");
    if (architecture != "llama") {
      throw Error(ErrorKind::kUnsupported,
                  path.string() + ": GGUF architecture '" + architecture + "' is not supported",
                  "supported: llama");
    }
    config_ = llama_from_gguf(file_);
    refuse_unknown_tensors(path);
    eos_id_ = static_cast<std::int32_t>(file_.integer("tokenizer.ggml.eos_token_id"));
    config_.stop_ids = {eos_id_};
  }

  const DecoderConfig& config() const override { return config_; }
  const TensorNames& names() const override { return kLlamaFamily.names; }
  std::int32_t eos_id() const override { return eos_id_; }

  std::shared_ptr<const Tokenizer> tokenizer() const override {
    const std::string model = file_.text("tokenizer.ggml.model");
    if (model != "gpt2") {
      throw Error(ErrorKind::kUnsupported, "GGUF tokenizer model '" + model + "' is not supported",
                  "supported: gpt2");
    }
    GgufVocabulary vocabulary{file_.text_or("tokenizer.ggml.pre", "gpt-2"),
                              file_.texts("tokenizer.ggml.tokens"),
                              file_.texts("tokenizer.ggml.merges"),
                              {}};
    if (file_.has("tokenizer.ggml.token_type"))
      vocabulary.token_types = file_.integers("tokenizer.ggml.token_type");
    return Tokenizer::from_vocabulary(vocabulary);
  }

  bool contains(const std::string& name) const override { return file_.contains(llama_gguf_name(name)); }

  at::Tensor read(const std::string& name) const override {
    const at::Tensor weight = file_.read(llama_gguf_name(name));
    const std::int64_t heads = interleaved_heads(name);
    if (heads == 0) return weight;
    check_heads(weight.sizes(), heads);
    return uninterleave_heads(weight, heads);
  }

  std::optional<QuantisedBlocks> read_blocks(const std::string& name) const override {
    std::optional<QuantisedBlocks> blocks = file_.read_blocks(llama_gguf_name(name));
    const std::int64_t heads = interleaved_heads(name);
    if (!blocks || heads == 0) return blocks;
    check_heads({blocks->rows, blocks->width}, heads);
    const auto size = static_cast<std::int64_t>(blocks->bytes.size());
    const at::Tensor bytes =
        at::from_blob(blocks->bytes.data(), {blocks->rows, size / blocks->rows}, at::kByte);
    bytes.copy_(uninterleave_heads(bytes, heads));
    return blocks;
  }

 private:
  // A tensor that the decoder would not read (biases, rotary factors) changes what the model computes.
  void refuse_unknown_tensors(const std::filesystem::path& path) const {
    const TensorNames& known_names = kLlamaFamily.names;
    std::set<std::string> known = {llama_gguf_name(known_names.embedding), llama_gguf_name(known_names.head),
                                   llama_gguf_name(known_names.final_norm + ".weight")};
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
      for (const std::string& part : {known_names.attention_norm, known_names.query, known_names.key,
                                      known_names.value, known_names.attention_out, known_names.mlp_norm,
                                      known_names.gate, known_names.up, known_names.down}) {
        known.insert(llama_gguf_name(TensorNames::at_layer(part, layer) + ".weight"));
      }
    }
    for (const std::string& name : file_.names()) {
      if (known.count(name) > 0) continue;
      throw Error(ErrorKind::kUnsupported,
                  path.string() + ": tensor '" + name + "' has no place in the llama decoder",
                  "rotary scaling factors and biases are not supported");
    }
  }

  // 0 for tensors whose rows need no other order.
  std::int64_t interleaved_heads(const std::string& name) const {
    if (name.find("self_attn.q_proj") != std::string::npos) return config_.attention.heads;
    if (name.find("self_attn.k_proj") != std::string::npos) return config_.attention.kv_heads;
    return 0;
  }

  static void check_heads(at::IntArrayRef shape, std::int64_t heads) {
    if (shape.size() != 2 || shape[0] % (2 * heads) != 0) {
      throw Error(ErrorKind::kCorruptFile, "GGUF: an attention weight does not fit the number of heads");
    }
  }

  GgufFile file_;
  DecoderConfig config_;
  std::int32_t eos_id_ = 0;
};

}  // namespace

std::unique_ptr<WeightSource> open_gguf(const std::filesystem::path& file) {
  return std::make_unique<GgufSource>(file);
}

}  // namespace quiver
