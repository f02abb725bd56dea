#include <memory>

#include "commands.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "interrupt.h"
#include "model_cache.h"
#include "progress.h"
#include "result_rows.h"
#include "samples.h"
#include "task_definitions.h"
#include "training_run.h"
#include "tutorial_config.h"

namespace fs = std::filesystem;

namespace quiver::program {
namespace {

constexpr char kSettingsFile[] = "settings.json";
constexpr char kTaskLibrary[] = "tasks";  // labels of the two libraries in results and charts
constexpr char kClusterLibrary[] = "mbc";

// The chain of the tutorials in one folder. Every step looks at what is there and does only what is missing.
class Tutorial {
 public:
  Tutorial(TutorialConfig config, const fs::path& out, const GlobalOptions& global)
      : config_(std::move(config)),
        out_(out),
        base_path_(resolve_base(*config_.experiment.model)),
        data_(load_dataset(config_.experiment)) {
    claim_folder();
    base_ = BaseModel::load(base_path_, base_options(global, config_.experiment));
    log_info("base model " + base_->name());
  }

  void run() {
    ExpertLibrary tasks = ExpertLibrary::open_or_create((out_ / "library").string());
    train(tasks, plan_experts(config_.experiment, data_), config_.experiment);
    ExpertLibrary clusters = ExpertLibrary::open_or_create((out_ / "library_mbc").string());
    train(clusters, cluster_plans(tasks), config_.cluster_experiment);
    for (ExpertLibrary* library : {&tasks, &clusters}) prepare_routing(*library);
    Results results;
    results.base = *config_.experiment.model;
    if (!fs::exists(out_ / "rouge.json")) evaluate_texts(tasks, clusters);
    const Results rouge = read_results(out_ / "rouge.json");
    results.rows = rouge.rows;
    Results accuracy = results;
    if (config_.choices) {
      if (!fs::exists(out_ / "choices.json")) evaluate_questions(tasks, clusters);
      accuracy.rows = read_results(out_ / "choices.json").rows;
    }
    results.samples = rouge.samples;
    publish(results, config_.choices ? &accuracy : nullptr);
  }

 private:
  // The folder belongs to one set of settings; another is refused rather than mixed in. A run of 0.1.0 goes
  // on with its shared starts.
  void claim_folder() {
    const fs::path file = out_ / kSettingsFile;
    const std::string present = fs::exists(file) ? read_file(file, 16ull << 20) : config_.text;
    if (present != config_.text && present == config_.shared_start_text) {
      config_.text = present;
      config_.experiment.shared_start = config_.cluster_experiment.shared_start = true;
    }
    if (present != config_.text) {
      throw Error(ErrorKind::kAlreadyExists, "'" + out_.string() + "' holds a run with other settings",
                  "give another --out, or remove the folder");
    }
    write_file_atomic(file, config_.text);
  }

  void train(ExpertLibrary& library, const std::vector<ExpertPlan>& plans, ExperimentConfig config) const {
    config.output_dir = out_.string();
    run_trainings_in_view(*base_, data_, plans, config, library, {.resume = true});
  }

  std::vector<ExpertPlan> cluster_plans(const ExpertLibrary& tasks) const {
    const fs::path file = out_ / "clusters.json";
    if (!fs::exists(file)) write_clusters(cluster_experts(tasks, config_.clusters), file);
    std::vector<ExpertPlan> plans;
    const Json clusters = read_json_file(file);
    for (const auto& [name, list] : clusters.items()) {
      plans.push_back({name, json_require<std::vector<std::string>>(clusters, name, file.string())});
      std::string members;
      for (const std::string& task : plans.back().tasks) members += (members.empty() ? "" : ", ") + task;
      log_info(name + ": " + members);
    }
    return plans;
  }

  // Whether a router needs this kind of artefact.
  bool needs(const char* artefact) const {
    std::vector<RouterOptions> routers = config_.rouge_routers;
    if (config_.choices)
      routers.insert(routers.end(), config_.choices->routers.begin(), config_.choices->routers.end());
    return std::ranges::any_of(routers, [&](const RouterOptions& router) {
      const std::vector<std::string> kinds = router_artefacts(router);
      return std::ranges::find(kinds, artefact) != kinds.end();
    });
  }

  void prepare_routing(ExpertLibrary& library) const {
    if (needs("arrow")) compute_arrow_prototypes(library, Recompute::kMissing);
    if (!needs("phatgoose")) return;
    const auto experts = static_cast<std::int64_t>(library.names().size());
    std::optional<Progress> progress;
    train_phatgoose_gates(library, *base_, data_, config_.gates, Recompute::kMissing, {},
                          [&](const TrainingStep& step) {
                            if (!progress) progress.emplace("phatgoose gates", experts * step.total, "steps");
                            progress->advance(1);
                            throw_if_interrupted("finished experts are kept, run again to go on");
                          });
  }

  struct Routed {
    RoutedModel model;
    std::string library;
  };

  // Every router over both libraries; the base once.
  std::vector<Routed> compose(const ExpertLibrary& tasks, const ExpertLibrary& clusters,
                              const std::vector<RouterOptions>& routers) const {
    std::vector<Routed> result;
    for (const auto& [library, label] :
         {std::pair{&tasks, kTaskLibrary}, std::pair{&clusters, kClusterLibrary}}) {
      for (const RoutedModel& model : RoutedModel::compose_all(base_, *library, routers)) {
        const bool is_base = model.router().router == "base";
        if (is_base && label == kClusterLibrary) continue;
        result.push_back({model, is_base ? "" : label});
      }
    }
    return result;
  }

  static std::vector<RoutedModel> models_of(const std::vector<Routed>& routed) {
    std::vector<RoutedModel> models;
    for (const Routed& entry : routed) models.push_back(entry.model);
    return models;
  }

  static ResultRow row(const Routed& routed, const Evaluation& evaluation) {
    return result_row(routed.model, evaluation, routed.library,
                      routed.library == kClusterLibrary ? kClusterLibrary : "");
  }

  void evaluate_texts(const ExpertLibrary& tasks, const ExpertLibrary& clusters) const {
    const std::vector<Routed> routed = compose(tasks, clusters, config_.rouge_routers);
    const std::vector<Example>& examples = data_.examples(Split::kTest);
    GenerationOptions options;
    options.max_new_tokens = config_.max_new_tokens;
    options.max_input_length = config_.experiment.max_input_length;
    options.batch_size = config_.experiment.predict_batch_size;  // of each model
    options.record_routing = true;
    Progress progress("rouge", static_cast<std::int64_t>(routed.size() * examples.size()), "texts");
    const std::vector<RoutedModel> models = models_of(routed);
    const std::vector<Evaluation> evaluations =
        evaluate_rouge(models, examples, options, [&](std::int64_t done) {
          progress.advance(done);
          throw_if_interrupted("finished steps are kept, run again to go on");
        });
    Results results;
    results.base = *config_.experiment.model;
    std::vector<ScoredRow> rows;
    for (std::size_t i = 0; i < routed.size(); ++i)
      rows.push_back({row(routed[i], evaluations[i]), evaluations[i].scores});
    results.rows = with_oracle_shares(rows);
    results.samples = text_samples(examples, models, evaluations, options.truncation);
    write_results(results, out_ / "rouge.json");
  }

  void evaluate_questions(const ExpertLibrary& tasks, const ExpertLibrary& clusters) const {
    const TutorialConfig::Choices& choices = *config_.choices;
    const std::vector<Routed> routed = compose(tasks, clusters, choices.routers);
    Progress progress(choices.task, 0, "choices");
    TaskDefinition task = find_task_definition("arc_easy");
    task.name = choices.task;
    const TaskQuestions questions = read_task_questions(task, choices.data, {.limit = choices.limit});
    const auto observer = [&](std::int64_t done) {
      progress.advance(done);
      throw_if_interrupted("finished steps are kept, run again to go on");
    };
    const auto evaluations = evaluate_choices(models_of(routed), questions.choices, task.metrics, observer,
                                              Truncation::kLeft, {.record = true});
    Results results;
    results.base = *config_.experiment.model;
    for (std::size_t i = 0; i < routed.size(); ++i) {
      for (const Evaluation& evaluation : evaluations[i].metrics)
        results.rows.push_back(row(routed[i], evaluation));
    }
    write_results(results, out_ / "choices.json");
  }

  // Where the routers sent the prompts; many tasks or routers are shown by the report alone.
  void draw_routing(const Results& results) const {
    const bool routed =
        std::ranges::any_of(results.rows, [](const ResultRow& r) { return r.routing.has_value(); });
    if (!routed) return;
    try {
      for (const char* extension : {"svg", "png"})
        plot_heat_maps(results, out_ / (std::string("routing.") + extension));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInvalidArgument) throw;
      log_warning(error.what());
    }
  }

  void publish(Results rouge, const Results* accuracy) const {
    for (const char* extension : {"svg", "png"})
      plot_results(rouge, out_ / (std::string("rouge.") + extension));
    draw_routing(rouge);
    if (accuracy != nullptr) {
      Results chart = *accuracy;
      std::erase_if(chart.rows, [](const ResultRow& r) { return r.metric != "acc"; });
      for (const char* extension : {"svg", "png"})
        plot_results(chart, out_ / (std::string("accuracy.") + extension));
      rouge.rows.insert(rouge.rows.end(), accuracy->rows.begin(), accuracy->rows.end());
    }
    write_results(rouge, out_ / "results.json");
    const ReportPart part = {.title = out_.string(), .results = read_results(out_ / "results.json")};
    write_file_atomic(out_ / "report.html", report_page({&part, 1}));
    std::fputs(format_table(rouge).c_str(), stdout);
    log_info("report.html, results.json and charts in " + out_.string());
  }

  TutorialConfig config_;
  fs::path out_;
  fs::path base_path_;
  TaskDataset data_;
  std::shared_ptr<const BaseModel> base_;
};

}  // namespace

void add_tutorial(Command& program, GlobalOptions& global) {
  struct Arguments {
    std::string config, out;
    std::vector<std::string> overrides;
  };
  auto arguments = std::make_shared<Arguments>();
  Command* command =
      program.add_subcommand("tutorial", "The whole chain: experts, clusters, routers, evaluation, charts");
  command->add_option("-c,--config", arguments->config, "Tutorial config")->required();
  command->add_option("-k", arguments->overrides, "key=value over its experiment")->allow_extra_args(false);
  command->add_option("--out", arguments->out, "Folder for everything; run again to go on")->required();
  command->callback([arguments, &global] {
    check_writable(fs::path(arguments->out) / kSettingsFile);
    Tutorial(load_tutorial_config(arguments->config, arguments->overrides, global), arguments->out, global)
        .run();
  });
}

}  // namespace quiver::program
