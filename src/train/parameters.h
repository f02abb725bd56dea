#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace quiver {

// Trainable tensors as views of one flat vector, and their gradients as views of another: the optimizer,
// clipping and checkpoints see two tensors whatever the number of modules.
class FlatParameters {
 public:
  struct Entry {
    std::string name;
    at::Tensor initial;  // float32
  };

  explicit FlatParameters(const std::vector<Entry>& entries);

  // The i-th parameter: a leaf of the autograd graph that shares memory with values().
  const at::Tensor& leaf(std::size_t index) const { return leaves_[index]; }

  std::size_t size() const { return leaves_.size(); }

  at::Tensor& values() { return values_; }  // (N) float32
  const at::Tensor& values() const { return values_; }
  at::Tensor& gradients() { return gradients_; }  // (N) float32; backward() adds to it

 private:
  at::Tensor values_;
  at::Tensor gradients_;
  std::vector<at::Tensor> leaves_;
};

}  // namespace quiver
