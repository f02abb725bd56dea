#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "quiver/error.h"
#include "quiver/expert.h"

// Model-based clustering (Ostapenko et al. 2024, section 3.1): experts whose sparsified weights point the
// same way share a cluster, and one expert is then trained on the union of a cluster's tasks. For up to 64
// experts the reference's truncated SVD keeps every inner product, so the similarities here are the same;
// beyond that they are the exact ones which the SVD approximates.
namespace quiver {

// All weights of an expert as one vector: module by module in the order of names, A before B. (n) float32.
at::Tensor flatten_expert(const Expert& expert);

// `flat` (n) with zeros where |w| <= quantile(|w|, sparsity), the quantile with linear interpolation between
// neighbours as in numpy. The share of zeros is then at least about `sparsity`, more with equal magnitudes or
// with zeros that were there before. (n) float32, any length. Throws Error(kInvalidArgument) for sparsity
// outside [0, 1), an empty vector, numbers that are not finite. Thread-safe, as are its two halves.
at::Tensor sparsify(const at::Tensor& flat, double sparsity);
// The two halves: the quantile, which takes most of the time, and the zeros.
double sparsify_threshold(const at::Tensor& flat, double sparsity);
at::Tensor drop_up_to(const at::Tensor& flat, double threshold);

// Cosine similarities (E, E) float32, exact to 1e-7, of vectors that never are in memory all at once:
// `vector_of(i)` gives expert i's vector (n), on several threads at a time, and is asked several times for
// each when they do not fit into `memory_bytes` together. Memory is that and the result. A vector of zeros
// has similarity 0 to all, itself included. Throws Error(kInvalidArgument) naming the expert for lengths that
// differ and numbers that are not finite; what `vector_of` throws passes through.
at::Tensor cosine_similarity_matrix(std::span<const std::string> names,
                                    const std::function<at::Tensor(std::int64_t)>& vector_of,
                                    std::int64_t memory_bytes = std::int64_t{1} << 30);

// Clusters of experts by k-means on the rows of `similarity` (E, E), float32 or float64: "cluster_0", ... ->
// sorted names, numbered by their first member in the order of names, whatever order `names` comes in. Fewer
// than k clusters only when fewer than k rows differ. Throws Error(kInvalidArgument) for k outside [1, E],
// repeated names, another shape.
std::map<std::string, std::vector<std::string>> mbc_clusters(std::span<const std::string> names,
                                                             const at::Tensor& similarity, std::int64_t k,
                                                             std::uint64_t seed = 42);

}  // namespace quiver
