#include "kernels/transpose.h"

#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

TEST(Transpose, AgreesWithATenOnPartsOfMatrices) {
  for (const std::int64_t rows : {0, 1, 15, 16, 17, 64}) {
    for (const std::int64_t columns : {1, 8, 16, 33}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << columns);
      const at::Tensor from = test::random_tensor({rows, columns + 3}, 1);
      const at::Tensor to = at::full({columns, rows + 2}, -1.0f);
      transpose(from.const_data_ptr<float>(), columns + 3, rows, columns, to.mutable_data_ptr<float>(),
                rows + 2);
      EXPECT_TRUE(at::equal(to.narrow(1, 0, rows), from.narrow(1, 0, columns).t()));
      EXPECT_TRUE(at::equal(to.narrow(1, rows, 2), at::full({columns, 2}, -1.0f)));
    }
  }
}

}  // namespace
}  // namespace quiver
