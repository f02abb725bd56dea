// Real prompts on the real model: what a request gives does not depend on its company.
#include <ATen/core/grad_mode.h>

#include "quiver/dataset.h"
#include "quiver/generation.h"
#include "quiver/transforms.h"
#include "support/tensors.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::random_tensor;

constexpr const char* kTasks[] = {"adversarial_qa_droberta_answer_the_following_q",
                                  "cos_e_v1_11_description_question_option_id",
                                  "duorc_SelfRC_question_answering",
                                  "quail_description_context_question_text",
                                  "sciq_Multiple_Choice",
                                  "social_i_qa_Show_choices_and_generate_answer",
                                  "wiki_hop_original_explain_relation",
                                  "wiqa_what_is_the_final_step_of_the_following_process"};

// Three experts on q, k and v with updates of about the size of trained ones.
ExpertLibrary random_library(const BaseModel& base, const std::string& name) {
  ExpertLibrary library = ExpertLibrary::open_or_create("virtual://" + name);
  int seed = 0;
  for (const std::string expert_name : {"one", "three", "two"}) {
    Expert expert;
    expert.info.name = expert_name;
    expert.info.base_fingerprint = base.fingerprint();
    expert.info.lora.rank = 4;
    expert.info.lora.alpha = 16;
    for (const LinearSlot& slot : base.slots()) {
      if (slot.path.find("self_attn") == std::string::npos || slot.path.find("o_proj") != std::string::npos)
        continue;
      const at::Tensor a = random_tensor({4, slot.in}, ++seed) * 0.04;
      expert.modules[slot.path] = {a, random_tensor({slot.out, 4}, ++seed) * 0.02, 4.0};
    }
    library.add(expert);
  }
  compute_arrow_prototypes(library, Recompute::kAll);
  return library;
}

RouterOptions arrow() {
  RouterOptions options;
  options.router = "arrow";
  options.top_k = 2;
  return options;
}

TEST(Batch, RealPromptsGiveTheSameTextAloneAndTogether) {
  QUIVER_REQUIRE_SHARED(folder, "p3-flat");
  ASSERT_TRUE(std::filesystem::exists(test::smollm2_path())) << "run `quiver fetch smollm2-135m`";
  const std::shared_ptr<const BaseModel> base = BaseModel::load(test::smollm2_path());
  const ExpertLibrary library = random_library(*base, "texts");
  const std::vector<RoutedModel> models = {RoutedModel(base), RoutedModel::compose(base, library, arrow())};
  std::vector<GenerationRequest> requests;
  for (const char* task : kTasks) {
    const std::vector<Example> rows =
        TaskDataset::load({.path = (folder / "p3-flat.parquet").string(), .tasks = {task}})
            .examples(Split::kTest);
    for (const RoutedModel& model : models) requests.push_back({model, rows.at(0).source, task});
  }
  GenerationOptions options;
  options.max_new_tokens = 12;
  options.max_input_length = 400;
  options.batch_size = static_cast<std::int64_t>(requests.size());
  const std::vector<Generation> together = generate(requests, options);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(generate({&requests[i], 1}, options)[0].ids, together[i].ids) << requests[i].task_name;
  }
}

TEST(Batch, HiddenStatesAgreeAloneAndTogether) {
  QUIVER_REQUIRE_SHARED(folder, "p3-flat");
  ASSERT_TRUE(std::filesystem::exists(test::smollm2_path())) << "run `quiver fetch smollm2-135m`";
  const at::NoGradGuard no_gradients;
  const std::shared_ptr<const BaseModel> base = BaseModel::load(test::smollm2_path());
  const ExpertLibrary library = random_library(*base, "states");
  const RoutedModel model = RoutedModel::compose(base, library, arrow());
  const std::vector<Example> rows =
      TaskDataset::load({.path = (folder / "p3-flat.parquet").string(), .tasks = {kTasks[4]}})
          .examples(Split::kTest);
  RaggedBatch all;
  std::vector<RaggedBatch> alone(6);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    std::vector<std::int32_t> ids = base->tokenizer().encode(rows.at(i).source).ids;
    if (i < 2) ids.resize(i + 1);  // so few rows that they are multiplied another way
    alone[i].add(ids);
    all.add(ids);
  }
  const at::Tensor together = model.forward(all);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    const at::Tensor own = model.forward(alone[i]);
    const at::Tensor same = together.slice(0, all.offsets[i], all.offsets[i + 1]);
    EXPECT_LT((own - same).norm().item<double>() / own.norm().item<double>(), 1e-5) << i;
  }
}

}  // namespace
}  // namespace quiver
