#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quiver/precision.h"
#include "quiver/tokenizer.h"

namespace quiver {

// "float32", "32", "fp32", "bfloat16", "bf16", "q8". Throws Error(kInvalidArgument) for anything else.
Precision parse_precision(const std::string& text);

// One linear layer that an adapter may change.
struct LinearSlot {
  std::string path;  // the module's name, as the keys of Expert::modules: "model.layers.0.self_attn.q_proj"
  std::int64_t layer = 0;   // index of the decoder layer
  std::int64_t in = 0;      // width of its input
  std::int64_t out = 0;     // width of its output
  std::int64_t group = 0;   // index of its LinearGroup
  std::int64_t column = 0;  // where its output begins in the group's output
};

// Linear layers that read the same input and are computed as one matrix product: q, k, v; or gate and up.
struct LinearGroup {
  std::int64_t index = 0;
  std::vector<std::int64_t> slots;  // indices into BaseModel::slots(), in column order
  std::int64_t in = 0;
  std::int64_t out = 0;  // sum of the slots' outputs
};

// What changes the linear layers of a frozen base model: a LoRA, a routed mixture of them, gates in training.
// The base calls it during `forward`; it is never stored in the base.
class LinearAdapter {
 public:
  virtual ~LinearAdapter() = default;

  // x (T, group.in) is the input of the group's layers, y (T, group.out) their output, or a sum that holds
  // it. Returns y plus the adapter's updates, (T, group.out) in y's type: y itself, changed in place, or
  // another tensor.
  virtual at::Tensor apply(const LinearGroup& group, const at::Tensor& x, at::Tensor y) const = 0;

  // What to apply where only these rows of the batch, ascending, are left. Null: this adapter, which treats
  // all rows alike.
  virtual std::unique_ptr<const LinearAdapter> for_rows(std::span<const std::int64_t> /*rows*/) const {
    return nullptr;
  }
};

// The tokens of several sequences laid end to end; no padding.
struct RaggedBatch {
  std::vector<std::int32_t> ids;         // T tokens
  std::vector<std::int64_t> offsets{0};  // sequence s owns tokens offsets[s] .. offsets[s + 1]
  // The tokens whose hidden states are wanted, ascending; absent: all. The last layer computes no more than
  // queries, keys and values for the others.
  std::optional<std::vector<std::int64_t>> rows;

  void add(std::span<const std::int32_t> sequence);
  std::int64_t sequences() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
};

// Pages of keys and values, which caches take and give back. Made by BaseModel::make_cache_pool. Pool, caches
// and their forks: one thread at a time.
class CachePool {
 public:
  static constexpr std::int64_t kPositions = 32;  // of a sequence, in every layer of one page
  static std::int64_t pages_for(std::int64_t tokens) { return (tokens + kPositions - 1) / kPositions; }

  // shape: of a page, (layers, 2, kv_heads, kPositions, head_dim): keys, then values.
  CachePool(std::vector<std::int64_t> shape, at::TensorOptions options)
      : shape_(std::move(shape)), options_(options) {}

  at::Tensor take();
  // Takes a page back, unless somebody else holds it too.
  void give_back(at::Tensor page);

  std::int64_t page_bytes() const;
  std::int64_t taken() const { return taken_; }  // pages that have not come back

 private:
  std::vector<std::int64_t> shape_;
  at::TensorOptions options_;
  std::vector<at::Tensor> free_;
  std::int64_t taken_ = 0;
};

// Keys and values of one sequence in every layer. Made by BaseModel::make_cache; used by one call at a time.
class SequenceCache {
 public:
  SequenceCache(SequenceCache&&) noexcept;
  SequenceCache& operator=(SequenceCache&&) noexcept;
  ~SequenceCache();

  std::int64_t length() const;    // tokens seen so far
  std::int64_t capacity() const;  // tokens that fit
  // The same first length() positions with room for `capacity` tokens. Whole pages are shared.
  SequenceCache fork(std::int64_t capacity) const;

  // The pages that hold its tokens. Whole ones do not change any more.
  std::span<const at::Tensor> pages() const;
  // Lets an empty cache begin with whole pages of another one.
  void begin_with(std::span<const at::Tensor> pages);
  // Forgets the tokens from number `length` on, which must be there.
  void truncate(std::int64_t length);

 private:
  friend class BaseModel;
  struct State;
  explicit SequenceCache(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Where a batch stands between two decoder layers (BaseModel::hidden_states).
struct ResidualStream {
  std::int64_t layer = 0;  // the next one
  at::Tensor hidden = {};  // (T, hidden) what enters it, changed in place when it runs; undefined: the batch
                           // has not begun
};

// What the rest of the system asks of a model's configuration.
struct ModelShape {
  std::string family;  // as config.json's `model_type`
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t vocabulary = 0;
  std::int64_t max_positions = 0;
  // Above 0: sequences of more tokens have other rotary angles at every position, so that no cache may grow
  // past it (longrope; see BaseModel::forward).
  std::int64_t cache_boundary = 0;
  // Where the decoder stands in the Hugging Face model, as Expert::decoder.
  std::string decoder = {};
};

// The linear layers of a model that adapters may change.
struct ModuleNames {
  std::vector<std::string> paths;  // LinearSlot::path, in the order of BaseModel::slots()
  std::string decoder;             // ModelShape::decoder
};
// Reads the model's settings and no weights. Throws as BaseModel::load.
ModuleNames read_module_names(const std::filesystem::path& path);

struct BaseModelOptions {
  Precision precision = Precision::kFloat32;
  std::string device = "cpu";  // "cpu", "cuda", "cuda:N"
};

// A causal language model with frozen weights. Immutable after loading: any number of threads, routers and
// experts may share one through std::shared_ptr<const BaseModel>.
class BaseModel {
 public:
  // `path`: a Hugging Face directory (config.json, model.safetensors or shards, tokenizer.json) or a .gguf
  // file. Throws Error: kNotFound, kCorruptFile, kUnsupported (family, tensor type, tokenizer kind, device,
  // precision), each naming it.
  static std::shared_ptr<const BaseModel> load(const std::filesystem::path& path,
                                               const BaseModelOptions& options = {});

  ~BaseModel();

  const ModelShape& shape() const;
  const Tokenizer& tokenizer() const;
  std::int32_t eos_id() const;                        // appended to training targets
  const std::vector<std::int32_t>& stop_ids() const;  // any of them ends a generation
  const std::string& name() const;                    // the path it was loaded from
  Precision precision() const;
  at::Device device() const;
  // SHA-256 over the architecture and a sample of every weight, independent of file format and precision.
  const std::string& fingerprint() const;

  const std::vector<LinearSlot>& slots() const;
  const std::vector<LinearGroup>& groups() const;

  // Hidden states after the last norm, (T or batch.rows, hidden), for logits(). Keeps a graph for autograd
  // only when gradients are enabled and the adapter has trainable tensors. With `caches` (one per sequence)
  // the batch continues the cached sequences and the caches grow by it. Throws Error(kInvalidArgument) for an
  // id outside the vocabulary, a position past max_positions, a full cache, or one that would grow past
  // shape().cache_boundary.
  at::Tensor forward(const RaggedBatch& batch, const LinearAdapter* adapter = nullptr,
                     std::span<SequenceCache* const> caches = {}) const;

  // For each of `layers` the residual stream that enters that decoder layer, (T or batch.rows, hidden)
  // float32: transformers' hidden_states[l]. 0 is the embeddings, scaled and with learned positions;
  // shape().layers is what forward() gives. No layer above the largest one asked for is run. Throws as
  // forward(), and Error(kInvalidArgument) for a layer outside 0 .. shape().layers.
  std::vector<at::Tensor> hidden_states(const RaggedBatch& batch, std::span<const std::int64_t> layers,
                                        const LinearAdapter* adapter = nullptr) const;
  // The same in several calls: it begins where `stream` stands and leaves it in front of the largest of
  // `layers`, none of which may lie before. `caches` as for forward(), the same in all calls; they grow once
  // all layers have run.
  std::vector<at::Tensor> hidden_states(const RaggedBatch& batch, std::span<const std::int64_t> layers,
                                        const LinearAdapter* adapter, ResidualStream& stream,
                                        std::span<SequenceCache* const> caches) const;

  // (N, hidden) -> (N, vocabulary), in the type of the hidden states.
  at::Tensor logits(const at::Tensor& hidden) const;
  // sum_i -log softmax(logits(hidden)_i)[targets_i] for hidden (N, hidden) and targets (N) int64: a float32
  // scalar, differentiable in hidden. In float32 on the CPU the logits of at most 256 rows exist at one time.
  at::Tensor cross_entropy(const at::Tensor& hidden, const at::Tensor& targets) const;

  // For up to `capacity` tokens, with pages of `pool`; null: of a pool of its own.
  SequenceCache make_cache(std::int64_t capacity, std::shared_ptr<CachePool> pool = nullptr) const;
  std::shared_ptr<CachePool> make_cache_pool() const;

  struct Parts;
  explicit BaseModel(std::unique_ptr<const Parts> parts);

 private:
  using LayerObserver = std::function<void(std::int64_t layer, const at::Tensor& entering)>;
  // Runs the decoder layers from where `stream` stands to before layer `end`. `observe`, if any, sees the
  // stream (T, hidden) in front of each; it changes in place afterwards.
  void run_layers(const RaggedBatch& batch, ResidualStream& stream, std::int64_t end,
                  const LinearAdapter* adapter, std::span<SequenceCache* const> caches,
                  const LayerObserver& observe) const;

  std::unique_ptr<const Parts> parts_;
};

}  // namespace quiver
