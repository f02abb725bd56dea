#include "tensor/digest.h"

#include "support/test_support.h"

namespace quiver {
namespace {

TEST(DigestTest, EqualsSha256OfTheDocumentedBytes) {
  // printf '\1\0\0\0\0\0\0\0a\3\0\0\0\0\0\0\0F32\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\0\0\200\77'
  // | sha256sum
  EXPECT_EQ(tensor_digest({{"a", at::ones({1})}}),
            "2b13a693eca9accf9b49ded8cb59fa0efd3411ddac80c195d9da3f5d419e7453");
  EXPECT_EQ(tensor_digest({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(DigestTest, DependsOnNameTypeShapeAndValues) {
  const std::string base = tensor_digest({{"a", at::zeros({2, 3})}});
  EXPECT_EQ(tensor_digest({{"a", at::zeros({2, 3})}}), base);
  EXPECT_NE(tensor_digest({{"b", at::zeros({2, 3})}}), base);
  EXPECT_NE(tensor_digest({{"a", at::zeros({2, 3}, at::kInt)}}), base);
  EXPECT_NE(tensor_digest({{"a", at::zeros({3, 2})}}), base);
  EXPECT_NE(tensor_digest({{"a", at::ones({2, 3})}}), base);
  EXPECT_NE(tensor_digest({{"a", at::zeros({2, 3})}, {"b", at::zeros({0})}}), base);
}

TEST(DigestTest, DoesNotDependOnStrides) {
  const at::Tensor transposed = at::arange(6).view({2, 3}).t();
  EXPECT_EQ(tensor_digest({{"a", transposed}}), tensor_digest({{"a", transposed.contiguous()}}));
}

}  // namespace
}  // namespace quiver
