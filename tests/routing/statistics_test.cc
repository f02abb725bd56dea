#include "routing/statistics.h"

#include <ATen/ATen.h>

#include <functional>
#include <limits>

#include "core/json.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;
using Tensors = std::map<std::string, at::Tensor>;

Json settings_of(const std::vector<std::string>& tasks) {
  return {{"base_model", "there.gguf"},
          {"base_fingerprint", "f1"},
          {"tasks", tasks},
          {"layers", {0, 2}},
          {"max_input_length", 64},
          {"truncation_side", "left"},
          {"bos", "never"},
          {"pooling", "mean_of_unit_rms"}};
}

Tensors tensors_of(const std::vector<std::int64_t>& tasks, float value) {
  const auto count = static_cast<std::int64_t>(tasks.size());
  return {{"tasks", at::tensor(tasks)},
          {"layer.0.mean", at::full({count, 3}, value)},
          {"layer.2.mean", at::full({count, 3}, -value)},
          {"q_proj.input", at::full({5}, value)},
          {"q_proj.unit_input", at::full({5}, 2 * value)}};
}

ExpertStatistics read(const std::string& name, const std::vector<std::string>& tasks, const Json& settings,
                      const Tensors& tensors) {
  ExpertInfo info;
  info.name = name;
  info.tasks = tasks;
  return read_statistics(info, settings, tensors, "f1", "here.gguf", "local:///lib");
}

ExpertStatistics sea() { return read("sea", {"b", "a"}, settings_of({"a", "b"}), tensors_of({0, 0, 1}, 1)); }
ExpertStatistics sun() { return read("sun", {"c"}, settings_of({"c"}), tensors_of({0, 0}, 2)); }

TEST(Statistics, AreReadByLayerTaskAndSlot) {
  const ExpertStatistics statistics = sea();
  EXPECT_EQ(statistics.tasks, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(statistics.row_tasks, (std::vector<std::int64_t>{0, 0, 1}));
  ASSERT_EQ(statistics.features.size(), 2u);
  EXPECT_TRUE(at::equal(statistics.features.at(2), at::full({3, 3}, -1.f)));
  EXPECT_TRUE(at::equal(statistics.inputs.at("q_proj"), at::full({5}, 1.f)));
  EXPECT_TRUE(at::equal(statistics.unit_inputs.at("q_proj"), at::full({5}, 2.f)));
  EXPECT_EQ(statistics.inputs.size() + statistics.unit_inputs.size(), 2u);
}

TEST(Statistics, BecomeRowsOfOwnedTasks) {
  const std::vector<ExpertStatistics> experts = {sea(), sun()};
  const PromptRows rows = prompt_rows(experts, 2);
  EXPECT_EQ(rows.tasks, (std::vector<std::int64_t>{0, 0, 1, 2, 2}));
  EXPECT_EQ(rows.owners, (std::vector<std::size_t>{0, 0, 1}));
  EXPECT_EQ(rows.names, (std::vector<std::string>{"a", "b", "c"}));
  ASSERT_EQ(rows.features.size(), 1u);
  EXPECT_TRUE(at::equal(rows.features.at(2), at::cat({at::full({3, 3}, -1.f), at::full({2, 3}, -2.f)})));
  EXPECT_EQ(
      error_message([&] { prompt_rows(experts, 1); }),
      "the statistics of expert 'sea' have no hidden states of layer 1 | they have those of the layers 0, "
      "2");
}

TEST(Statistics, OfAnotherBaseOrOtherTasksAreRefused) {
  Json settings = settings_of({"a"});
  settings["base_fingerprint"] = "f2";
  EXPECT_EQ(
      error_message([&] {
        read("sea", {"a"}, settings, tensors_of({0, 0}, 1));
      }),
      "the statistics of expert 'sea' are of the base model there.gguf, not of here.gguf | load that base, "
      "or compute them with this one: quiver prototypes statistics local:///lib -c FILE --base BASE");
  EXPECT_EQ(
      error_message([&] {
        read("sea", {"a", "b"}, settings_of({"a", "c"}), tensors_of({0, 1}, 1));
      }),
      "the statistics of expert 'sea' are of other tasks than it has: a, c | compute them again: quiver "
      "prototypes statistics local:///lib -c FILE");
  EXPECT_EQ(read("sea", {}, settings_of({"lake"}), tensors_of({0, 0}, 1)).tasks,
            std::vector<std::string>{"sea"});
  EXPECT_EQ(std::string(no_statistics_error("sea", "local:///lib").what()),
            "expert 'sea' has no statistics in local:///lib");
  EXPECT_EQ(no_statistics_error("sea", "local:///lib").hint(),
            "compute them with `quiver prototypes statistics local:///lib -c FILE`");
}

TEST(Statistics, BrokenPartsAreNamed) {
  const auto message = [](const std::function<void(Json&, Tensors&)>& damage) {
    Json settings = settings_of({"a", "b"});
    Tensors tensors = tensors_of({0, 1}, 1);
    damage(settings, tensors);
    const std::string text = error_message([&] { read("sea", {"a", "b"}, settings, tensors); });
    return text.substr(0, text.find(" | "));
  };
  const std::string start = "the statistics of expert 'sea' ";
  EXPECT_EQ(message([](Json& s, Tensors&) { s.erase("layers"); }), start + "say nothing of their layers");
  EXPECT_EQ(message([](Json& s, Tensors&) { s["tasks"] = 3; }), start + "have a 'tasks' of the wrong type");
  EXPECT_EQ(message([](Json& s, Tensors&) { s["tasks"] = Json::array(); }), start + "are of no task");
  EXPECT_EQ(message([](Json&, Tensors& t) { t.erase("tasks"); }),
            start + "do not say which task each prompt is of");
  EXPECT_EQ(message([](Json&, Tensors& t) { t["tasks"] = at::zeros({2}); }),
            start + "do not say which task each prompt is of");
  EXPECT_EQ(message([](Json&, Tensors& t) { t["tasks"][1] = 2; }), start + "have a prompt of no task");
  const std::string no_layer = start + "hold no hidden states of layer 2 for each of 2 prompts";
  EXPECT_EQ(message([](Json&, Tensors& t) { t.erase("layer.2.mean"); }), no_layer);
  EXPECT_EQ(message([](Json&, Tensors& t) { t["layer.2.mean"] = at::zeros({3, 3}); }), no_layer);
  EXPECT_EQ(
      message([](Json&, Tensors& t) { t["layer.2.mean"][0][1] = std::numeric_limits<float>::quiet_NaN(); }),
      no_layer);
  EXPECT_EQ(message([](Json&, Tensors& t) {
              t["q_proj.input"] = at::zeros({2, 2});
            }),
            start + "have a broken 'q_proj.input'");
}

TEST(Statistics, ExpertsMustBeSeenAlike) {
  const std::vector<ExpertStatistics> alike = {sea(), sun()};
  require_alike(alike, "local:///lib");
  require_alike({}, "local:///lib");
  Json settings = settings_of({"c"});
  settings["max_input_length"] = 32;
  settings["seed"] = 1;
  const std::vector<ExpertStatistics> unlike = {sea(), read("sun", {"c"}, settings, tensors_of({0, 0}, 2))};
  EXPECT_EQ(
      error_message([&] { require_alike(unlike, "local:///lib"); }),
      "the statistics of the experts 'sea' and 'sun' were made with different settings: 'max_input_length' "
      "is 64 and 32 | compute them alike: quiver prototypes statistics local:///lib -c FILE --recompute");
}

}  // namespace
}  // namespace quiver
