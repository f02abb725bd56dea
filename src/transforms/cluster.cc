#include <optional>

#include "core/files.h"
#include "core/json.h"
#include "quiver/transforms.h"
#include "transforms/mbc.h"

namespace quiver {

Clusters cluster_experts(const ExpertLibrary& library, const ClusterOptions& options) {
  const std::vector<std::string> names = library.names();
  if (names.empty())
    throw Error(ErrorKind::kInvalidArgument, "library " + library.uri() + " has no expert to cluster");
  // Of every expert that was read before; an expert is read once for every filling of the memory.
  std::vector<std::optional<double>> thresholds(names.size());
  const auto vector_of = [&](std::int64_t index) {
    const auto expert = static_cast<std::size_t>(index);
    const at::Tensor flat = flatten_expert(library.load(names[expert]));
    if (!thresholds[expert]) thresholds[expert] = sparsify_threshold(flat, options.sparsity);
    return drop_up_to(flat, *thresholds[expert]);
  };
  const at::Tensor similarity = cosine_similarity_matrix(names, vector_of);
  Clusters clusters;
  for (const auto& [cluster, members] : mbc_clusters(names, similarity, options.k, options.seed)) {
    for (const std::string& member : members) {
      const std::vector<std::string> tasks = library.info(member).tasks;
      std::vector<std::string>& list = clusters[cluster];
      if (tasks.empty()) list.push_back(member);
      list.insert(list.end(), tasks.begin(), tasks.end());
    }
  }
  return clusters;
}

void write_clusters(const Clusters& clusters, const std::filesystem::path& path) {
  write_file_atomic(path, dump_json(Json(clusters), 2) + "\n");
}

}  // namespace quiver
