#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <future>
#include <set>

#include "bindings.h"
#include "quiver/experiment.h"

namespace quiver::python {
namespace {

// Runs work on a thread of its own while this one looks for Ctrl-C, which only Python's main thread hears:
// then the work is asked to stop, and its end is awaited. The interpreter's lock is free meanwhile.
void run_interruptibly(std::stop_source& stop, const std::function<void()>& work) {
  bool is_interrupted = false;
  {
    const nb::gil_scoped_release unlocked;
    std::future<void> done = std::async(std::launch::async, work);
    constexpr std::chrono::milliseconds kTurn(50);
    while (done.wait_for(kTurn) != std::future_status::ready) {
      const nb::gil_scoped_acquire lock;
      if (PyErr_CheckSignals() == 0) continue;
      PyErr_Clear();
      is_interrupted = true;
      stop.request_stop();
    }
    try {
      done.get();
    } catch (const Error& error) {
      if (!is_interrupted || error.kind() != ErrorKind::kInterrupted) throw;
    }
  }
  if (!is_interrupted) return;
  PyErr_SetNone(PyExc_KeyboardInterrupt);
  throw nb::python_error();
}

using Callback =
    std::function<void(const std::string& expert, std::int64_t step, std::int64_t total, double loss)>;

ExperimentConfig config_of(const nb::dict& config) { return load_config(json_of(config), "config", {}); }

std::vector<std::string> train(const nb::dict& keys, const std::shared_ptr<BaseModel>& base,
                               ExpertLibrary& library, bool joint, bool resume, bool replace,
                               std::size_t at_once, const std::optional<Callback>& on_step) {
  const ExperimentConfig config = config_of(keys);
  std::vector<std::string> names;
  std::stop_source stop;
  TrainingRunObserver observer;
  if (on_step) {
    observer.on_step = [&](const std::string& expert, const TrainingStep& step) {
      const nb::gil_scoped_acquire lock;
      (*on_step)(expert, step.step, step.total, step.loss);
    };
  }
  run_interruptibly(stop, [&] {
    const TaskDataset data = load_dataset(config);
    const std::vector<ExpertPlan> plans = plan_experts(config, data, joint ? Joint::kYes : Joint::kNo);
    run_trainings(*base, data, plans, config, library,
                  {.resume = resume,
                   .if_exists = replace ? IfExists::kReplace : IfExists::kRefuse,
                   .side_by_side = {.at_once = at_once},
                   .stop = stop.get_token()},
                  observer);
    for (const ExpertPlan& plan : plans) names.push_back(plan.name);
  });
  return names;
}

Recompute recompute(bool all) { return all ? Recompute::kAll : Recompute::kMissing; }

// The rows that the experts of a library were trained on, of the config's data set.
TaskDataset rows_of(ExperimentConfig config, const ExpertLibrary& library) {
  std::set<std::string> tasks;
  for (const std::string& name : library.names()) {
    for (const std::string& task : library.info(name).tasks) tasks.insert(task);
  }
  config.finetune_task_name.assign(tasks.begin(), tasks.end());
  return load_dataset(config);
}

std::int64_t statistics(ExpertLibrary& library, const std::shared_ptr<BaseModel>& base, const nb::dict& keys,
                        bool all) {
  const ExperimentConfig config = config_of(keys);
  const nb::gil_scoped_release unlocked;
  return compute_statistics(library, library.names(), *base, rows_of(config, library),
                            statistics_options(config), recompute(all), [](const std::string&) {});
}

std::int64_t phatgoose(ExpertLibrary& library, const std::shared_ptr<BaseModel>& base, const nb::dict& keys,
                       std::int64_t n_steps, double learning_rate, bool all) {
  const ExperimentConfig config = config_of(keys);
  std::int64_t trained = 0;
  std::stop_source stop;
  run_interruptibly(stop, [&] {
    TrainingOptions options = default_gate_options();
    options.total_steps = n_steps;
    options.learning_rate = learning_rate;
    options.seed = static_cast<std::uint64_t>(config.seed);
    options.bos = config.bos;
    options.max_input_length = config.max_input_length;
    options.truncation_side = config.truncation_side;
    options.stop = stop.get_token();
    trained = train_phatgoose_gates(library, *base, rows_of(config, library), options, recompute(all));
  });
  return trained;
}

}  // namespace

void bind_training(nb::module_& module) {
  module.def("train", &train, nb::arg("config"), nb::arg("base"), nb::arg("library"), nb::arg("joint"),
             nb::arg("resume"), nb::arg("replace"), nb::arg("at_once"), nb::arg("on_step").none());
  module.def(
      "full_config", [](const nb::dict& keys) { return python_of(to_json(config_of(keys))); },
      nb::arg("config"));
  module.def(
      "cluster",
      [](const ExpertLibrary& library, std::int64_t k, double sparsity, std::uint64_t seed) {
        return cluster_experts(library, {.k = k, .sparsity = sparsity, .seed = seed});
      },
      nb::arg("library"), nb::arg("k"), nb::arg("sparsity"), nb::arg("seed"),
      nb::call_guard<nb::gil_scoped_release>());
  module.def(
      "arrow_prototypes",
      [](ExpertLibrary& library, bool all) { return compute_arrow_prototypes(library, recompute(all)); },
      nb::arg("library"), nb::arg("recompute"), nb::call_guard<nb::gil_scoped_release>());
  module.def("statistics", &statistics, nb::arg("library"), nb::arg("base"), nb::arg("config"),
             nb::arg("recompute"));
  module.def("phatgoose_gates", &phatgoose, nb::arg("library"), nb::arg("base"), nb::arg("config"),
             nb::arg("n_steps"), nb::arg("learning_rate"), nb::arg("recompute"));
  module.def(
      "merge",
      [](const ExpertLibrary& library, const std::vector<std::string>& experts, const std::string& method,
         const std::string& name, const std::vector<double>& weights, double density) {
        return merge_experts(library, experts,
                             {.method = parse_merge_method(method), .weights = weights, .density = density},
                             name);
      },
      nb::arg("library"), nb::arg("experts"), nb::arg("method"), nb::arg("name"), nb::arg("weights"),
      nb::arg("density"), nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace quiver::python
