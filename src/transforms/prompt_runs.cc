#include "transforms/prompt_runs.h"

#include "core/mutex.h"
#include "expert/begin_of_text_record.h"
#include "tensor/jobs.h"
#include "text/text_beginning.h"
#include "train/option_names.h"

namespace quiver {
namespace {

constexpr std::int64_t kTokensAtOnce = 1024;

std::vector<std::int32_t> prompt_ids(const BaseModel& base, const TextBeginning& beginning,
                                     const std::string& prompt, const Json& settings) {
  std::vector<std::int32_t> ids = prompt_tokens(base.tokenizer(), beginning, prompt);
  const auto limit = settings.at("max_input_length").get<std::size_t>();
  if (ids.size() <= limit) return ids;
  const auto over = static_cast<std::ptrdiff_t>(ids.size() - limit);
  const bool left = settings.at("truncation_side") == "left";
  ids.erase(left ? ids.begin() : ids.end() - over, left ? ids.begin() + over : ids.end());
  return ids;
}

}  // namespace

double PromptPlan::cost() const {
  double bytes = 0;
  for (const Example* example : prompts.rows) bytes += static_cast<double>(example->source.size());
  return bytes;
}

PromptPlan plan_prompts(const ExpertLibrary& library, const std::string& name, const BaseModel& base,
                        const TrainingRows& rows, const StatisticsOptions& options) {
  PromptPlan plan;
  plan.info = library.info(name);
  check_base(plan.info, base.fingerprint(), base.name());
  plan.bos = options.bos == BeginOfText::kAuto ? recorded_begin_of_text(plan.info) : options.bos;
  const TextBeginning beginning(base.tokenizer(), plan.bos, base.eos_id());
  const std::vector<std::string> tasks =
      plan.info.tasks.empty() ? std::vector<std::string>{name} : plan.info.tasks;
  plan.prompts = choose_prompts(rows, tasks, options.rows, options.seed, name);
  plan.settings = {
      {"base_model", base.name()},
      {"base_fingerprint", base.fingerprint()},
      {"tasks", tasks},
      {"rows", options.rows},
      {"rows_digest", plan.prompts.digest},
      {"seed", options.seed},
      {"max_input_length", std::min(options.max_input_length, base.shape().max_positions)},
      {"truncation_side", option_name(options.truncation_side)},
      {"bos", begin_of_text_name(beginning.is_empty() ? BeginOfText::kNever : BeginOfText::kAlways)}};
  return plan;
}

std::int64_t put_prompt_artefacts(ExpertLibrary& library, std::span<const std::string> experts,
                                  const BaseModel& base, const TaskDataset& data,
                                  const StatisticsOptions& options, Recompute recompute,
                                  const ExpertObserver& observer, const PromptArtefact& artefact) {
  const TrainingRows rows = training_rows(data);
  std::vector<PromptPlan> plans;
  std::vector<double> costs;
  for (const std::string& name : experts) {
    PromptPlan plan = plan_prompts(library, name, base, rows, options);
    if (recompute == Recompute::kMissing && artefact.is_current(plan)) {
      if (observer) observer(name);
      continue;
    }
    costs.push_back(plan.cost());
    plans.push_back(std::move(plan));
  }
  Mutex callbacks;
  run_jobs(costs, {.at_once = default_jobs_at_once()}, [&](std::size_t number) {
    const std::string& name = plans[number].info.name;
    library.put_artefact(name, artefact.kind, artefact.make(library.load(name), plans[number]));
    const MutexLock lock(callbacks);
    if (observer) observer(name);
  });
  return static_cast<std::int64_t>(plans.size());
}

void run_prompts(const BaseModel& base, const PromptPlan& plan,
                 const std::function<void(const RaggedBatch&)>& run) {
  const TextBeginning beginning(base.tokenizer(), plan.bos, base.eos_id());
  RaggedBatch batch;
  for (const Example* example : plan.prompts.rows) {
    const std::vector<std::int32_t> ids = prompt_ids(base, beginning, example->source, plan.settings);
    if (batch.sequences() > 0 && batch.tokens() + static_cast<std::int64_t>(ids.size()) > kTokensAtOnce) {
      run(batch);
      batch = {};
    }
    batch.add(ids);
  }
  run(batch);
}

}  // namespace quiver
