#include "quiver/transfer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/json.h"
#include "quiver/evaluation.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace quiver {
namespace {

using test::error_message;
using test::golden_base;
using test::random_tensor;

class TransferTest : public testing::Test {
 protected:
  TransferTest() {
    for (const std::string name : {"left", "right"}) {
      Expert expert;
      expert.info.name = name;
      expert.info.tasks = {"task_" + name};
      expert.info.lora.rank = 2;
      expert.info.lora.alpha = 2;
      const std::uint64_t seed = name.size();
      expert.modules["model.layers.0.self_attn.q_proj"] = {random_tensor({2, 32}, seed),
                                                           random_tensor({32, 2}, seed + 1), 1};
      library_.add(expert);
    }
    options_.generation.max_new_tokens = 3;
  }

  TransferMatrix transfer() {
    return compute_transfer_matrix(golden_base("tiny_llama"), library_, examples_, options_);
  }

  // Mean of -log softmax at the answer's tokens and end-of-text, over the whole text's logits.
  double naive_loss(const RoutedModel& model, const std::string& source, const std::string& target) const {
    const BaseModel& base = model.base();
    std::vector<std::int32_t> ids = base.tokenizer().encode(source + " " + target).ids;
    const std::size_t begin = base.tokenizer().encode(source).ids.size();
    ids.push_back(base.eos_id());
    RaggedBatch batch;
    batch.add(ids);
    const at::Tensor log_p = at::log_softmax(base.logits(model.forward(batch)).to(at::kDouble), 1);
    double sum = 0;
    for (std::size_t t = begin; t < ids.size(); ++t)
      sum -= log_p[static_cast<std::int64_t>(t) - 1][ids[t]].item<double>();
    return sum / static_cast<double>(ids.size() - begin);
  }

  const test::ScratchDirectory scratch_;
  ExpertLibrary library_ = ExpertLibrary::create((scratch_ / "library").string());
  // Two of one task, of different length, and one of another.
  std::vector<Example> examples_ = {{"What flies?\nAnswer:", "an arrow", "birds", "", ""},
                                    {"Where is the sea?", "far", "places", "", ""},
                                    {"What does not fly?\nAnswer:", "a quiver of them", "birds", "", ""}};
  TransferOptions options_;
};

TEST_F(TransferTest, EveryExpertOnEveryTask) {
  const TransferMatrix matrix = transfer();
  EXPECT_EQ(matrix.tasks, (std::vector<std::string>{"birds", "places"}));
  EXPECT_EQ(matrix.examples, (std::vector<std::int64_t>{2, 1}));
  ASSERT_EQ(matrix.rows.size(), 3u);
  EXPECT_EQ(matrix.rows[0].expert, "");
  EXPECT_EQ(matrix.rows[2].expert, "right");
  EXPECT_EQ(matrix.rows[2].trained, std::vector<std::string>{"task_right"});
  for (const TransferRow& row : matrix.rows) {
    const RoutedModel model = row.expert.empty() ? RoutedModel(golden_base("tiny_llama"))
                                                 : RoutedModel::compose(golden_base("tiny_llama"), library_,
                                                                        parse_router("expert:" + row.expert));
    const double birds = (naive_loss(model, examples_[0].source, examples_[0].target) +
                          naive_loss(model, examples_[2].source, examples_[2].target)) /
                         2;
    EXPECT_NEAR(row.loss[0], birds, 1e-4) << row.expert;
    EXPECT_NEAR(row.loss[1], naive_loss(model, examples_[1].source, examples_[1].target), 1e-4) << row.expert;
    const auto texts = evaluate_rouge(std::span(&model, 1), examples_, options_.generation).front().per_task;
    EXPECT_EQ(row.rouge_l, (std::vector<double>{texts.at("birds"), texts.at("places")})) << row.expert;
  }
  EXPECT_GT(std::abs(matrix.rows[1].loss[0] - matrix.rows[0].loss[0]), 1e-2) << "an expert changes the loss";
}

TEST_F(TransferTest, ItsJsonSaysWhichRowIsTheBase) {
  options_.experts = {"right"};
  const TransferMatrix matrix = transfer();
  const Json json = to_json(matrix);
  EXPECT_EQ(json.at("tasks"), (Json{"birds", "places"}));
  EXPECT_EQ(json.at("n"), (Json{2, 1}));
  ASSERT_EQ(json.at("rows").size(), 2u);
  EXPECT_TRUE(json.at("rows")[0].at("expert").is_null());
  EXPECT_EQ(json.at("rows")[1].at("expert"), "right");
  EXPECT_EQ(json.at("rows")[1].at("tasks"), (Json{"task_right"}));
  EXPECT_EQ(json.at("rows")[1].at("loss"), Json(matrix.rows[1].loss));
  EXPECT_EQ(json.at("rows")[1].at("rougeL").size(), 2u);
}

TEST_F(TransferTest, CountsWhatIsDone) {
  std::int64_t done = 0;
  compute_transfer_matrix(golden_base("tiny_llama"), library_, examples_, options_,
                          [&](std::int64_t more) { done += more; });
  EXPECT_EQ(done, 2 * 3 * 3);
}

TEST_F(TransferTest, Refusals) {
  options_.experts = {"rigth"};
  EXPECT_NE(error_message([&] { transfer(); }).find("did you mean 'right'"), std::string::npos);
  options_.experts = {};
  examples_[1] = {"", "", "places", "", ""};
  EXPECT_NE(error_message([&] {
              transfer();
            }).find("example 2, of task 'places': there is no target token to predict"),
            std::string::npos);
  examples_.clear();
  EXPECT_EQ(error_message([&] { transfer(); }), "there is no example to evaluate on");
}

}  // namespace
}  // namespace quiver
