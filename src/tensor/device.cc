#include "tensor/device.h"

#include <dlfcn.h>

#include <charconv>
#include <filesystem>
#include <optional>

#include "quiver/error.h"
#include "tensor/file_problem.h"

namespace quiver {
namespace {

constexpr const char* kCudaLibrary = "libtorch_cuda.so";

// The CUDA index in "cuda" (0) or "cuda:N".
std::optional<c10::DeviceIndex> cuda_index(std::string_view name) {
  if (name == "cuda") return c10::DeviceIndex{0};
  if (!name.starts_with("cuda:")) return std::nullopt;
  name.remove_prefix(5);
  c10::DeviceIndex index = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc{} || end != name.data() + name.size() || index < 0) return std::nullopt;
  return index;
}

// Loading the library registers its kernels and hooks with LibTorch; it stays for the life of the process. It
// lies beside the CPU library in LibTorch's packages; elsewhere the loader's own path decides.
bool load_cuda_library() {
  Dl_info here{};
  std::filesystem::path beside;
  if (::dladdr(reinterpret_cast<const void*>(&at::globalContext), &here) != 0 && here.dli_fname != nullptr) {
    beside = std::filesystem::path(here.dli_fname).parent_path() / kCudaLibrary;
  }
  if (!beside.empty() && ::dlopen(beside.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return true;
  return ::dlopen(kCudaLibrary, RTLD_NOW | RTLD_GLOBAL) != nullptr;
}

}  // namespace

at::Device parse_device(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  const auto index = cuda_index(name);
  if (!index) {
    throw Error(ErrorKind::kInvalidArgument, "no device is called " + in_quotes(name),
                "use cpu, cuda or cuda:N with N from 0");
  }
  // Before the first question about CUDA: LibTorch remembers the answer.
  static const bool loaded = load_cuda_library();
  if (!loaded) {
    throw Error(
        ErrorKind::kUnsupported,
        "device " + in_quotes(name) + " is not available: LibTorch's CUDA library could not be loaded",
        "use --device cpu, or install a LibTorch built for CUDA together with NVIDIA's libraries");
  }
  const std::size_t devices = at::hasCUDA() ? at::getNumGPUs() : 0;
  if (static_cast<std::size_t>(*index) >= devices) {
    throw Error(ErrorKind::kUnsupported,
                "device " + in_quotes(name) + " is not available: this machine has " +
                    std::to_string(devices) + " usable CUDA devices",
                devices == 0 ? "use --device cpu, or check the NVIDIA driver" : "use a smaller N");
  }
  return at::Device(at::kCUDA, *index);
}

}  // namespace quiver
