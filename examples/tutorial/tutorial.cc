// The tutorial in one program: two experts, a library, Arrow routing, generation and Rouge-L.
// Usage: tutorial BASE TASKS.jsonl LIBRARY
#include <quiver/base_model.h>
#include <quiver/dataset.h>
#include <quiver/error.h>
#include <quiver/evaluation.h>
#include <quiver/generation.h>
#include <quiver/library.h>
#include <quiver/router.h>
#include <quiver/training.h>
#include <quiver/transforms.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace {

void run(const char* base_path, const char* tasks_path, const char* library_path) {
  // The weights stay frozen; everything below shares this one copy of them.
  const std::shared_ptr<const quiver::BaseModel> base = quiver::BaseModel::load(base_path);
  quiver::TaskDataset data = quiver::TaskDataset::load({.path = tasks_path, .include_task_source = "*"});
  std::vector<std::string> tasks = data.task_names();
  tasks.resize(std::min<std::size_t>(tasks.size(), 2));
  data = data.only(tasks);

  // One expert per task, kept in a library on disk.
  quiver::ExpertLibrary library = quiver::ExpertLibrary::open_or_create(library_path);
  const quiver::TrainingOptions options = {.lora = {.rank = 4,
                                                    .alpha = 16,
                                                    .modify_modules = ".*self_attn",
                                                    .modify_layers = "q_proj|k_proj|v_proj"},
                                           .learning_rate = 5e-3,
                                           .total_steps = 8};
  for (const std::string& task : tasks) {
    const quiver::Expert expert = quiver::train_expert(*base, task, data.only({task}), options);
    library.add(expert, quiver::IfExists::kReplace);
    std::printf("trained %s: loss %.3f -> %.3f\n", task.c_str(),
                expert.info.metrics.at("first_loss").get<double>(),
                expert.info.metrics.at("last_loss").get<double>());
  }

  // Arrow needs one direction per expert and layer; then every token picks its experts by them.
  quiver::compute_arrow_prototypes(library, quiver::Recompute::kMissing);
  const std::vector<quiver::RoutedModel> models = {
      quiver::RoutedModel(base), quiver::RoutedModel::compose(base, library, quiver::parse_router("arrow"))};

  std::vector<quiver::Example> rows = data.examples(quiver::Split::kTest);
  rows.resize(std::min<std::size_t>(rows.size(), 8));
  if (rows.empty()) throw quiver::Error(quiver::ErrorKind::kInvalidArgument, "the tasks have no test rows");
  const quiver::GenerationOptions generation = {.max_new_tokens = 8};
  const std::vector<quiver::GenerationRequest> requests = {{models[1], rows[0].source}};
  std::printf("%s -> %s\n", rows[0].source.c_str(), quiver::generate(requests, generation)[0].text.c_str());
  const std::vector<quiver::Evaluation> scores = quiver::evaluate_rouge(models, rows, generation);
  for (std::size_t i = 0; i < models.size(); ++i) {
    std::printf("%s: %s %.2f over %zu rows\n", quiver::router_name(models[i].router()).c_str(),
                scores[i].metric.c_str(), scores[i].value, rows.size());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: tutorial BASE TASKS.jsonl LIBRARY\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3]);
  } catch (const quiver::Error& error) {
    std::fprintf(stderr, "%s %s\n", error.what(), error.hint().c_str());
    return 1;
  }
}
