#include "routing/statistics.h"

#include <cmath>

#include "quiver/transforms.h"
#include "support/damaged_model.h"
#include "support/golden.h"
#include "support/tensors.h"
#include "tensor/safetensors.h"

namespace quiver {
namespace {

using test::error_message;
using test::golden_base;
using test::max_difference;

constexpr char kFirst[] = "model.layers.0.self_attn.q_proj";
constexpr char kSecond[] = "model.layers.1.self_attn.v_proj";

// Two experts on the tiny model: "sky", trained on colour and number, and "taste".
class StatisticsTest : public testing::Test {
 protected:
  StatisticsTest() {
    library_.add(expert("sky", {"colour", "number"}));
    library_.add(expert("taste", {"taste"}));
  }

  static Expert expert(const std::string& name, const std::vector<std::string>& tasks, double value = 0.1) {
    Expert expert;
    expert.info.name = name;
    expert.info.tasks = tasks;
    expert.info.base_model = "tiny";
    expert.info.base_fingerprint = golden_base("tiny_llama")->fingerprint();
    expert.info.lora.rank = 2;
    expert.info.lora.alpha = 2;
    expert.modules[kFirst] = {at::full({2, 32}, value), at::full({32, 2}, value), 1};
    expert.modules[kSecond] = {at::full({2, 32}, value), at::full({16, 2}, value), 1};
    return expert;
  }

  TaskDataset data(int rows = 4) const {
    std::string lines;
    for (const std::string task : {"colour", "number", "taste"}) {
      for (int i = 0; i < rows; ++i) {
        lines += dump_json(
                     {{"source", task + " of the " + std::string(static_cast<std::size_t>(3 * i), 'n') + " "},
                      {"target", "blue"},
                      {"task_name", task},
                      {"split", "train"}}) +
                 "\n";
      }
    }
    write_file_atomic(scratch_ / "rows.jsonl", lines);
    return TaskDataset::load({.path = (scratch_ / "rows.jsonl").string()});
  }

  std::int64_t compute(const StatisticsOptions& options = {}, Recompute recompute = Recompute::kMissing) {
    return compute_statistics(library_, library_.names(), *base_, data(), options, recompute);
  }

  ExpertStatistics read(const std::string& name) const {
    const auto found = library_.find_artefact(name, kStatisticsKind);
    if (!found) throw no_statistics_error(name, library_.uri());
    return read_statistics(library_.info(name), found->settings, found->tensors, base_->fingerprint(),
                           base_->name(), library_.uri());
  }

  test::ScratchDirectory scratch_;
  ExpertLibrary library_ = ExpertLibrary::create((scratch_ / "library").string());
  std::shared_ptr<const BaseModel> base_ = golden_base("tiny_llama");
};

// Mean over tokens, each divided by its root mean square, in plain loops.
at::Tensor pooled(const at::Tensor& hidden) {
  at::Tensor sum = at::zeros({hidden.size(1)}, at::kDouble);
  for (std::int64_t t = 0; t < hidden.size(0); ++t) {
    const at::Tensor token = hidden[t].to(at::kDouble);
    sum += token / std::sqrt(token.square().mean().item<double>());
  }
  return sum / hidden.size(0);
}

// The input of a block's attention: its norm of what enters the layer.
at::Tensor attention_input(const at::Tensor& entering, std::int64_t layer) {
  const SafetensorsFile file = SafetensorsFile::open(test::golden_path("tiny_llama/model.safetensors"));
  const at::Tensor weight =
      file.read("model.layers." + std::to_string(layer) + ".input_layernorm.weight").to(at::kDouble);
  const at::Tensor x = entering.to(at::kDouble);
  return x * (x.square().mean(1, true) + 1e-5).rsqrt() * weight;
}

TEST_F(StatisticsTest, AreWhatTheBaseAloneSaysPromptByPrompt) {
  EXPECT_EQ(compute(), 2);
  const ExpertStatistics sky = read("sky");
  EXPECT_EQ(sky.tasks, (std::vector<std::string>{"colour", "number"}));
  EXPECT_EQ(sky.row_tasks, (std::vector<std::int64_t>{0, 0, 0, 0, 1, 1, 1, 1}));
  ASSERT_EQ(sky.features.size(), 3u);  // 0, 1 and 2, of two layers
  const std::int64_t layers[] = {0, 1, 2};
  std::map<std::string, at::Tensor> inputs, unit_inputs;
  std::int64_t row = 0;
  const TaskDataset all = data();
  for (const Example& example : all.examples(Split::kTrain)) {
    if (example.task_name == "taste") continue;
    const std::string prompt = example.source.substr(0, example.source.size() - 1);  // without the last space
    const auto states = base_->hidden_states(test::batch_of({base_->tokenizer().encode(prompt).ids}), layers);
    for (const std::int64_t layer : layers) {
      EXPECT_LT(max_difference(sky.features.at(layer)[row], pooled(states[static_cast<std::size_t>(layer)])),
                1e-5)
          << "layer " << layer << ", row " << row;
    }
    for (const auto& [path, layer] : {std::pair{kFirst, 0}, std::pair{kSecond, 1}}) {
      const at::Tensor x = attention_input(states[static_cast<std::size_t>(layer)], layer);
      const at::Tensor mean = x.mean(0) / 8, unit_mean = (x / x.square().sum(1, true).sqrt()).mean(0) / 8;
      inputs[path] = row == 0 ? mean : inputs[path] + mean;
      unit_inputs[path] = row == 0 ? unit_mean : unit_inputs[path] + unit_mean;
    }
    ++row;
  }
  ASSERT_EQ(row, 8);
  ASSERT_EQ(sky.inputs.size(), 2u);
  ASSERT_EQ(sky.unit_inputs.size(), 2u);
  for (const char* path : {kFirst, kSecond}) {
    EXPECT_LT(max_difference(sky.inputs.at(path), inputs.at(path)), 1e-5) << path;
    EXPECT_LT(max_difference(sky.unit_inputs.at(path), unit_inputs.at(path)), 1e-5) << path;
  }
}

TEST_F(StatisticsTest, ArePassedOverWhereTheyFit) {
  std::vector<std::string> done;
  const auto names = library_.names();
  EXPECT_EQ(compute_statistics(library_, names, *base_, data(), {}, Recompute::kMissing,
                               [&](const std::string& name) { done.push_back(name); }),
            2);
  EXPECT_EQ(done.size(), 2u);
  const at::Tensor before = read("sky").features.at(1);
  EXPECT_EQ(compute(), 0);
  EXPECT_EQ(compute({}, Recompute::kAll), 2);
  EXPECT_TRUE(at::equal(before, read("sky").features.at(1)));
  // Training again changes the weights and nothing here; other layers that it adapts were not looked at.
  library_.add(expert("sky", {"colour", "number"}, 0.7), IfExists::kReplace);
  EXPECT_EQ(compute(), 0);
  Expert wider = expert("sky", {"colour", "number"});
  wider.modules["model.layers.1.mlp.down_proj"] = {at::ones({2, 64}), at::ones({32, 2}), 1};
  library_.add(wider, IfExists::kReplace);
  EXPECT_EQ(compute(), 1);
  EXPECT_EQ(read("sky").inputs.at("model.layers.1.mlp.down_proj").numel(), 64);
  EXPECT_TRUE(library_.verify().empty());
  // An expert that is missing is made up for, others are left alone.
  library_.remove("taste");
  library_.add(expert("taste", {"taste"}));
  EXPECT_EQ(compute(), 1);
  // Whatever tells the prompts apart counts.
  EXPECT_EQ(compute({.rows = 4}), 2);
  EXPECT_EQ(read("sky").row_tasks.size(), 4u);
  EXPECT_EQ(compute({.rows = 4, .seed = 1}), 2);
  EXPECT_EQ(compute({.rows = 4, .seed = 1, .max_input_length = 5}), 2);
  EXPECT_EQ(compute({.rows = 4, .seed = 1, .max_input_length = 5, .truncation_side = TruncationSide::kLeft}),
            2);
  EXPECT_EQ(compute_statistics(
                library_, library_.names(), *base_, data(3),
                {.rows = 4, .seed = 1, .max_input_length = 5, .truncation_side = TruncationSide::kLeft},
                Recompute::kMissing),
            2);
}

TEST_F(StatisticsTest, ACalibrationIsMadeAnewForOtherWeights) {
  const auto calibrate = [&](const StatisticsOptions& options = {}) {
    return compute_calibration(library_, library_.names(), *base_, data(), options, Recompute::kMissing);
  };
  EXPECT_EQ(calibrate(), 2);
  EXPECT_EQ(calibrate(), 0);
  const auto own = [&] { return library_.find_artefact("sky", "calibration"); };
  const at::Tensor before = own()->tensors.at(std::string(kFirst) + ".activation");
  library_.add(expert("sky", {"colour", "number"}, 0.2), IfExists::kReplace);
  EXPECT_FALSE(own());
  EXPECT_EQ(calibrate(), 1);
  // A and B twice as large: four times the length, and its deviation.
  EXPECT_LT(max_difference(own()->tensors.at(std::string(kFirst) + ".activation"), before * 4), 1e-4);
  EXPECT_EQ(calibrate({.rows = 4}), 2);
  Expert untrained = expert("sky", {"colour", "number"});
  untrained.modules.at(kSecond).b.zero_();
  library_.add(untrained, IfExists::kReplace);
  EXPECT_EQ(error_message([&] { calibrate(); }),
            "expert 'sky': all tokens of its prompts have the same length '" + std::string(kSecond) +
                ".projection', which calibrates nothing | train the expert first");
}

TEST_F(StatisticsTest, PromptsAreCutAndBegun) {
  const std::int64_t layers[] = {0};
  for (const bool left : {false, true}) {
    compute({.max_input_length = 3,
             .truncation_side = left ? TruncationSide::kLeft : TruncationSide::kRight,
             .bos = BeginOfText::kAlways});
    const ExpertStatistics taste = read("taste");
    EXPECT_EQ(taste.settings.at("bos"), "always");
    const TaskDataset own = data().only({"taste"});
    ASSERT_EQ(own.examples(Split::kTrain).front().source,
              "taste of the  ");  // the last space is the answer's
    std::vector<std::int32_t> ids = base_->tokenizer().encode("taste of the ").ids;
    ids.insert(ids.begin(), base_->tokenizer().bos_id().value());
    ids = left ? std::vector(ids.end() - 3, ids.end()) : std::vector(ids.begin(), ids.begin() + 3);
    const at::Tensor expected = pooled(base_->hidden_states(test::batch_of({ids}), layers)[0]);
    EXPECT_LT(max_difference(taste.features.at(0)[0], expected), 1e-5) << left;
  }
}

TEST_F(StatisticsTest, AnExpertWithoutTasksHasItsNameForOne) {
  library_.add(expert("colour", {}));
  EXPECT_EQ(compute(), 3);
  EXPECT_EQ(read("colour").tasks, std::vector<std::string>{"colour"});
  EXPECT_EQ(read("colour").row_tasks.size(), 4u);
  library_.rename("colour", "paint");
  EXPECT_EQ(read("paint").tasks, std::vector<std::string>{"paint"});
}

TEST_F(StatisticsTest, ExpertsThatDoNotFitAreRefused) {
  library_.add(expert("joint", {"colour", "weather"}));
  EXPECT_EQ(
      error_message([&] { compute(); }),
      "task 'weather' of expert 'joint' has 0 training rows, its statistics need at least two | check the "
      "data set and its filters");
  Expert foreign = expert("joint", {"colour"});
  foreign.info.base_fingerprint = "0123456789abcdef0123456789abcdef";
  library_.add(foreign, IfExists::kReplace);
  EXPECT_NE(error_message([&] { compute(); }).find("joint"), std::string::npos);
  Expert misplaced = expert("joint", {"colour"});
  misplaced.modules["model.layers.2.self_attn.q_proj"] = misplaced.modules[kFirst];
  library_.add(misplaced, IfExists::kReplace);
  EXPECT_NE(error_message([&] { compute(); })
                .find("expert 'joint' adapts 'model.layers.2.self_attn.q_proj', which "
                      "the base model"),
            std::string::npos);
}

TEST_F(StatisticsTest, NumbersThatAreNotFiniteAreAnErrorThatNamesTheirPlace) {
  Expert unknown = expert("taste", {"taste"});
  unknown.info.base_fingerprint = "";
  library_.add(unknown, IfExists::kReplace);
  const auto base = test::changed_model(test::overflow_keys);
  const std::vector<std::string> names = {"taste"};
  const std::string message =
      error_message([&] { compute_statistics(library_, names, *base, data(), {}, Recompute::kMissing); });
  EXPECT_NE(message.find("gives numbers that are not finite (NaN or infinity), first in the output of "
                         "'model.layers.0.self_attn.k_proj'"),
            std::string::npos)
      << message;
  EXPECT_FALSE(library_.find_artefact("taste", kStatisticsKind));
}

}  // namespace
}  // namespace quiver
