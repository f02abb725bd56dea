// Experts in memory: who leaves, who stays.
#include "server/resident_experts.h"

#include <atomic>
#include <thread>

#include "modular/routed_fixture.h"
#include "protocol/api_error.h"

namespace quiver {
namespace {

class ResidentExpertsTest : public testing::Test {
 protected:
  // expert_0 to expert_3 of the golden files, all with the factors of the first, so that all take as much.
  ResidentExperts::Resident get(ResidentExperts& experts, int number) {
    return experts.get("expert_" + std::to_string(number), BeginOfText::kAuto, [&] {
      ++reads_;
      Expert expert = all_[0];
      expert.info.name = "expert_" + std::to_string(number);
      return expert;
    });
  }

  // A, B and room: rank 4, six slots of width 32; q gives 32, k and v 16.
  static constexpr std::int64_t kBytes = 4 * 4 * 2 * ((32 + 32) + 2 * (32 + 16));

  const std::vector<Expert> all_ = test::golden_experts();
  const std::shared_ptr<const BaseModel> base_ = test::golden_base("tiny_llama");
  int reads_ = 0;
};

TEST_F(ResidentExpertsTest, TheOneUsedLongestAgoLeaves) {
  ResidentExperts experts(base_, 2 * kBytes);
  EXPECT_EQ(size_of(*get(experts, 0).bound), kBytes);
  get(experts, 1);
  get(experts, 0);  // there
  EXPECT_EQ(reads_, 2);
  get(experts, 2);  // 1 leaves
  EXPECT_EQ(experts.count(), 2u);
  EXPECT_EQ(experts.bytes(), 2 * kBytes);
  get(experts, 0);
  EXPECT_EQ(reads_, 3);
  get(experts, 1);
  EXPECT_EQ(reads_, 4);
}

TEST_F(ResidentExpertsTest, WhatIsPinnedOrInUseStays) {
  ResidentExperts experts(base_, 2 * kBytes);
  get(experts, 0);
  experts.set_pinned("expert_0", true);
  std::optional<RoutedModel> used = get(experts, 1).alone;
  try {
    get(experts, 2);
    ADD_FAILURE() << "there is no room";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 503);
    EXPECT_EQ(std::string(error.what()),
              "no room for expert 'expert_2': the experts in use take 1 MB of the 1 MB of --expert-memory");
  }
  EXPECT_EQ(experts.bytes(), 2 * kBytes);
  used.reset();
  get(experts, 2);  // 1 leaves
  EXPECT_EQ(reads_, 4);
  get(experts, 0);
  EXPECT_EQ(reads_, 4);
  experts.set_pinned("expert_0", false);
  const std::shared_ptr<const BoundExpert> part = get(experts, 2).bound;  // of a mixture, say
  get(experts, 1);
  get(experts, 2);
  EXPECT_EQ(reads_, 5);
}

TEST_F(ResidentExpertsTest, ModelsThatNobodyUsesAreGivenUpForRoom) {
  std::shared_ptr<const BoundExpert> kept;
  ResidentExperts experts(base_, kBytes, [&] { kept.reset(); });
  kept = get(experts, 0).bound;
  get(experts, 1);
  EXPECT_EQ(kept, nullptr);
  EXPECT_EQ(experts.count(), 1u);
}

TEST_F(ResidentExpertsTest, AnExpertLargerThanTheBoundIsRefused) {
  ResidentExperts experts(base_, kBytes - 1);
  try {
    get(experts, 0);
    ADD_FAILURE() << "it is larger";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 400);
  }
  EXPECT_EQ(experts.count(), 0u);
}

TEST_F(ResidentExpertsTest, WhatFailsLeavesNothing) {
  ResidentExperts experts(base_, 0);
  EXPECT_THROW(experts.get("x", BeginOfText::kAuto,
                           []() -> Expert { throw Error(ErrorKind::kCorruptFile, "broken"); }),
               Error);
  EXPECT_EQ(experts.count(), 0u);
  get(experts, 0);
  get(experts, 1);
  experts.keep([](const std::string& key) { return key == "expert_1"; });
  EXPECT_EQ(experts.count(), 1u);
  experts.forget("expert_1");
  EXPECT_EQ(experts.bytes(), 0);
}

TEST_F(ResidentExpertsTest, ManyThreadsReadEachOnce) {
  ResidentExperts experts(base_, 0);
  std::atomic<int> reads{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (const Expert& expert : all_) {
        experts.get(expert.info.name, BeginOfText::kAuto, [&] {
          ++reads;
          return expert;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(reads, 4);
}

}  // namespace
}  // namespace quiver
