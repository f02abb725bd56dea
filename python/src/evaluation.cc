#include "quiver/evaluation.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "quiver/experiment.h"

namespace quiver::python {
namespace {

Split split_of(const std::string& name) {
  if (name == "train") return Split::kTrain;
  if (name == "validation") return Split::kValidation;
  if (name == "test") return Split::kTest;
  throw Error(ErrorKind::kInvalidArgument, "unknown split '" + name + "'", "train, validation or test");
}

std::vector<Evaluation> rouge(const std::vector<RoutedModel>& models, const nb::dict& keys,
                              const std::string& split, std::int64_t per_task, std::int64_t max_new_tokens,
                              std::int64_t batch_size) {
  const ExperimentConfig config = load_config(json_of(keys), "config", {});
  const nb::gil_scoped_release unlocked;
  TaskDataset data = load_dataset(config);
  const Split wanted = split_of(split);
  if (per_task > 0) data.take_first(wanted, per_task);
  return evaluate_rouge(models, data.examples(wanted),
                        {.max_new_tokens = max_new_tokens,
                         .batch_size = batch_size,
                         .max_input_length = config.max_input_length},
                        [](std::int64_t) { raise_signals(); });
}

std::vector<std::vector<Evaluation>> choices(const std::vector<RoutedModel>& models,
                                             const std::filesystem::path& definition,
                                             const std::filesystem::path& data, std::int64_t limit) {
  const nb::gil_scoped_release unlocked;
  const TaskDefinition task = read_task_definition(definition);
  const TaskQuestions questions = read_task_questions(task, data, {.limit = limit, .only_task = true});
  std::vector<std::vector<Evaluation>> results;
  for (ChoiceEvaluation& one :
       evaluate_choices(models, questions.choices, task.metrics, [](std::int64_t) { raise_signals(); }))
    results.push_back(std::move(one.metrics));
  return results;
}

}  // namespace

void bind_evaluation(nb::module_& module) {
  nb::class_<Evaluation>(module, "Evaluation", "What one metric came to for one model.")
      .def_ro("metric", &Evaluation::metric, "rougeL (0..100); acc, acc_norm, mttl, exact_match (0..1).")
      .def_ro("value", &Evaluation::value, "Mean over all examples.")
      .def_ro("per_task", &Evaluation::per_task, "Mean over each task's examples.")
      .def_ro("n", &Evaluation::n, "Examples.")
      .def_ro("seconds", &Evaluation::seconds, "Its share of the call's time.")
      .def_ro("scores", &Evaluation::scores, "Of every example.")
      .def_ro("texts", &Evaluation::texts, "rougeL: the continuation of every example.")
      .def("__repr__", [](const Evaluation& evaluation) {
        return "Evaluation(" + evaluation.metric + "=" + std::to_string(evaluation.value) +
               ", n=" + std::to_string(evaluation.n) + ")";
      });
  module.def("evaluate_rouge", &rouge, nb::arg("models"), nb::arg("config"), nb::arg("split"),
             nb::arg("per_task"), nb::arg("max_new_tokens"), nb::arg("batch_size"));
  module.def("evaluate_choices", &choices, nb::arg("models"), nb::arg("definition"), nb::arg("data"),
             nb::arg("limit"));
}

}  // namespace quiver::python
