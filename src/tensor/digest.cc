#include "tensor/digest.h"

#include "core/sha256.h"
#include "tensor/dtype.h"

namespace quiver {
namespace {

void update_number(Sha256& hash, std::uint64_t value) {
  hash.update({reinterpret_cast<const char*>(&value), sizeof value});
}

void update_part(Sha256& hash, std::string_view bytes) {
  update_number(hash, bytes.size());
  hash.update(bytes);
}

}  // namespace

std::string tensor_digest(const std::map<std::string, at::Tensor>& tensors) {
  Sha256 hash;
  for (const auto& [name, tensor] : tensors) {
    update_part(hash, name);
    update_part(hash, dtype_name(tensor.scalar_type()));
    const at::Tensor values = tensor.cpu().contiguous();
    update_number(hash, static_cast<std::uint64_t>(values.dim()));
    for (const std::int64_t size : values.sizes()) update_number(hash, static_cast<std::uint64_t>(size));
    update_part(hash, {static_cast<const char*>(values.const_data_ptr()), values.nbytes()});
  }
  return hash.finish();
}

}  // namespace quiver
