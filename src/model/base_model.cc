#include "quiver/base_model.h"

#include "core/check.h"
#include "kernels/loss.h"
#include "model/decoder.h"

namespace quiver {

Precision parse_precision(const std::string& text) {
  if (text == "float32" || text == "32" || text == "fp32") return Precision::kFloat32;
  if (text == "bfloat16" || text == "bf16") return Precision::kBFloat16;
  if (text == "q8") return Precision::kQ8;
  throw Error(ErrorKind::kInvalidArgument, "unknown precision '" + text + "'",
              "use float32, bfloat16 or q8; a GGUF file's 4-bit weights stay as they are in float32");
}

void RaggedBatch::add(std::span<const std::int32_t> sequence) {
  ids.insert(ids.end(), sequence.begin(), sequence.end());
  offsets.push_back(static_cast<std::int64_t>(ids.size()));
}

std::shared_ptr<const BaseModel> BaseModel::load(const std::filesystem::path& path,
                                                 const BaseModelOptions& options) {
  const std::unique_ptr<WeightSource> source = open_weight_source(path);
  auto parts = std::make_unique<Parts>(*load_parts(*source, options));
  parts->name = path.string();
  return std::make_shared<const BaseModel>(std::move(parts));
}

BaseModel::BaseModel(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
BaseModel::~BaseModel() = default;

const ModelShape& BaseModel::shape() const { return parts_->shape; }
const Tokenizer& BaseModel::tokenizer() const { return *parts_->tokenizer; }
std::int32_t BaseModel::eos_id() const { return parts_->eos_id; }
const std::vector<std::int32_t>& BaseModel::stop_ids() const { return parts_->config.stop_ids; }
const std::string& BaseModel::name() const { return parts_->name; }
const std::string& BaseModel::fingerprint() const { return parts_->fingerprint; }
const std::vector<LinearSlot>& BaseModel::slots() const { return parts_->slots; }
const std::vector<LinearGroup>& BaseModel::groups() const { return parts_->groups; }
Precision BaseModel::precision() const { return parts_->precision; }
at::Device BaseModel::device() const { return parts_->state.device(); }

at::Tensor BaseModel::logits(const at::Tensor& hidden) const { return parts_->head.apply(hidden); }

at::Tensor BaseModel::cross_entropy(const at::Tensor& hidden, const at::Tensor& targets) const {
  return linear_cross_entropy(hidden, parts_->head.weight(), targets, parts_->head.bias());
}

std::shared_ptr<CachePool> BaseModel::make_cache_pool() const {
  const AttentionShape& attention = parts_->config.attention;
  return std::make_shared<CachePool>(std::vector<std::int64_t>{parts_->config.layers, 2, attention.kv_heads,
                                                               CachePool::kPositions, attention.head_dim},
                                     parts_->state);
}

SequenceCache BaseModel::make_cache(std::int64_t capacity, std::shared_ptr<CachePool> pool) const {
  return SequenceCache(
      std::make_unique<SequenceCache::State>(pool ? std::move(pool) : make_cache_pool(), capacity));
}

}  // namespace quiver
