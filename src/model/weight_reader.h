#pragma once

#include <ATen/ATen.h>

#include <set>
#include <string>

#include "core/sha256.h"
#include "kernels/linear.h"
#include "model/weight_source.h"
#include "quiver/base_model.h"

namespace quiver {

// Reads tensors in the wanted precision and on the wanted device, and hashes a sample of each for the
// fingerprint (docs/formats.md): reading in another order gives another one. Every name is a Hugging Face
// name. Throws Error(kCorruptFile, kUnsupported) naming tensor and model.
class WeightReader {
 public:
  WeightReader(const WeightSource& source, const BaseModelOptions& options);

  at::Tensor read(const std::string& name, at::IntArrayRef shape);

  // A weight (out, in); `stored_transposed` where the file has (in, out). What is computed in float32 on the
  // CPU stays in the blocks of its file, or is rounded to blocks.
  FrozenMatrix read_matrix(const std::string& name, at::IntArrayRef shape, bool stored_transposed = false);

  bool contains(const std::string& name) const { return source_.contains(name); }

  // Whether two weights are the same numbers. Neither goes into the fingerprint.
  bool are_equal(const std::string& name, const std::string& other);

  void hash(const std::string& text) { hash_.update(text); }

  // An offset is added in float32, and the sum kept so: it would be lost in a narrower type.
  at::Tensor read_with_offset(const std::string& name, at::IntArrayRef shape, double offset);

  std::string fingerprint() { return hash_.finish(); }
  const at::TensorOptions& state() const { return state_; }
  const std::set<std::string>& used() const { return used_; }  // what was read

 private:
  at::Tensor read_stored(const std::string& name, at::IntArrayRef shape, bool stored_transposed = false);
  QuantizedBlocks rounded_to_q8_0(const std::string& name, const at::Tensor& weight) const;
  void check_contains(const std::string& name) const;
  void check_shape(const std::string& name, at::IntArrayRef found, at::IntArrayRef wanted) const;
  void hash_sample(const std::string& name, at::IntArrayRef shape, const at::Tensor& sample);

  const WeightSource& source_;
  Precision precision_;
  at::TensorOptions state_;
  Sha256 hash_;
  std::set<std::string> used_;
};

}  // namespace quiver
