#include "tensor/device.h"

#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

TEST(DeviceTest, Cpu) { EXPECT_EQ(parse_device("cpu"), at::Device(at::kCPU)); }

TEST(DeviceTest, RefusesOtherNames) {
  for (const std::string name :
       {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:999", "cpu:0"}) {
    EXPECT_EQ(error_message([&] { parse_device(name); }),
              "no device is called \"" + name + "\" | use cpu, cuda or cuda:N with N from 0");
  }
}

// What must hold on any machine: CUDA works or is refused in words that say what to do.
TEST(DeviceTest, CudaWorksOrIsRefusedWithAHint) {
  try {
    const at::Device device = parse_device("cuda");
    EXPECT_EQ(at::ones({2}, at::TensorOptions(device)).sum().item<float>(), 2.0F);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_EQ(std::string(error.what()).find("device \"cuda\" is not available: "), 0U) << error.what();
    EXPECT_EQ(error.hint().find("use --device cpu, or "), 0U) << error.hint();
  }
  EXPECT_EQ(at::ones({2}).sum().item<float>(), 2.0F);  // the attempt left the CPU usable
}

}  // namespace
}  // namespace quiver
