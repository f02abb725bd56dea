#include "modular/adapters.h"

#include <ATen/core/grad_mode.h>

#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

// A LoRA of rank 2 in every linear layer, those behind the attention of the last layer among them.
WeightedAdapter random_adapter(const BaseModel& base, std::uint64_t seed) {
  std::map<std::int64_t, LoraFactors> slots;
  for (std::size_t i = 0; i < base.slots().size(); ++i) {
    const LinearSlot& slot = base.slots()[i];
    slots[static_cast<std::int64_t>(i)] = {test::random_tensor({2, slot.in}, seed + 2 * i) * 0.1,
                                           test::random_tensor({2, slot.out}, seed + 2 * i + 1)};
  }
  return WeightedAdapter(base, slots);
}

TEST(RowRangeAdapter, WantedRowsKeepTheirAdapters) {
  const at::NoGradGuard no_gradients;
  const auto base = test::golden_base("tiny_llama");
  const WeightedAdapter first = random_adapter(*base, 1), second = random_adapter(*base, 1000);
  RaggedBatch batch = test::batch_of({{5, 90, 200, 7}, {33, 1}, {8, 9, 10}});
  RowRangeAdapter adapter;
  adapter.add(0, 4, &first);
  adapter.add(4, 6, nullptr);
  adapter.add(6, 9, &second);
  const at::Tensor all = base->forward(batch, adapter.for_batch(batch.tokens()));
  for (const std::vector<std::int64_t>& rows :
       std::vector<std::vector<std::int64_t>>{{0, 3, 5, 8}, {5}, {7, 8}, {3, 6}, {}}) {
    SCOPED_TRACE(testing::PrintToString(rows));
    batch.rows = rows;
    EXPECT_LT(test::max_difference(base->forward(batch, adapter.for_batch(batch.tokens())),
                                   all.index_select(0, at::tensor(rows, at::kLong))),
              1e-5);
  }
}

}  // namespace
}  // namespace quiver
