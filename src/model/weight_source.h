#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "model/decoder_config.h"
#include "quiver/tokenizer.h"
#include "tensor/quantized_blocks.h"

namespace quiver {

// A model on disk, whatever its format: settings, tokenizer, and tensors under their Hugging Face names.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  virtual std::string where() const = 0;  // the folder or file, for messages
  virtual const DecoderConfig& config() const = 0;
  virtual const TensorNames& names() const = 0;
  virtual std::shared_ptr<const Tokenizer> tokenizer() const = 0;
  virtual std::int32_t eos_id() const = 0;
  virtual std::size_t tensor_count() const = 0;
  virtual bool contains(const std::string& name) const = 0;
  // Throws Error(kUnsupported) naming a tensor whose numbers mean nothing without others.
  virtual at::Tensor read(const std::string& name) const = 0;
  // The same tensor in the blocks (BlockFormat) in which a GGUF file holds it, or nothing where it does not.
  virtual std::optional<QuantizedBlocks> read_blocks(const std::string&) const { return std::nullopt; }
  // What to do about a tensor that must be there and is not.
  virtual std::string hint_for_missing(const std::string&) const { return ""; }
  // Warns about the tensors of the file that are not among `used`, or throws Error(kUnsupported) naming one
  // where they change what the model computes.
  virtual void check_unused(const std::set<std::string>& used) const = 0;
};

// A Hugging Face directory, or a .gguf file. Throws as BaseModel::load.
std::unique_ptr<WeightSource> open_weight_source(const std::filesystem::path& path);
std::unique_ptr<WeightSource> open_hugging_face(const std::filesystem::path& directory);
std::unique_ptr<WeightSource> open_gguf(const std::filesystem::path& file);

}  // namespace quiver
