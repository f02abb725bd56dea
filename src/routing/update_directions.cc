#include "routing/update_directions.h"

#include <ATen/ATen.h>

namespace quiver {

UpdateDirections update_directions(const LoraFactors& factors) {
  const at::Tensor a = factors.a.to(at::kCPU, at::kDouble), b = factors.b.to(at::kCPU, at::kDouble);
  // D = b^T a with b (r, out): b^T = Q R.
  const at::Tensor r = std::get<1>(at::linalg_qr(b.t(), "r"));           // (r', r)
  const at::Tensor core = at::mm(r, a);                                  // (r', in), |D x| = |core x|
  const auto [u, s, v] = at::linalg_svd(core, /*full_matrices=*/false);  // v (r', in)
  if (s[0].item<double>() == 0) {
    const at::Tensor none = at::zeros({1, a.size(1)});
    return {none, none};
  }
  const at::Tensor kept = (s > s[0] * 1e-6).nonzero().squeeze(1);  // directions that D has
  const at::Tensor rows = v.index_select(0, kept);
  return {rows.to(at::kFloat).contiguous(),
          (rows * s.index_select(0, kept).unsqueeze(1)).to(at::kFloat).contiguous()};
}

}  // namespace quiver
