#include "quiver/transfer.h"

#include <map>

#include "core/json.h"
#include "data/tokenized_example.h"
#include "eval/require_done.h"
#include "quiver/evaluation.h"
#include "quiver/scoring.h"

namespace quiver {
namespace {

std::string place_of(std::size_t number, const Example& example) {
  return "example " + std::to_string(number + 1) + ", of task '" + example.task_name + "'";
}

// As a training tokenizes them, cut from the left.
std::vector<ScoreRequest> score_requests(const RoutedModel& model, const std::vector<Example>& examples,
                                         std::int64_t max_input_length) {
  const BaseModel& base = model.base();
  const TokenizeOptions tokenize{.max_input_length = std::min(max_input_length, base.shape().max_positions),
                                 .truncation_side = TruncationSide::kLeft,
                                 .beginning = model.text_beginning()};
  std::vector<ScoreRequest> requests;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    std::optional<TokenizedExample> text =
        tokenize_for_training(base.tokenizer(), base.eos_id(), examples[i], tokenize);
    // The first token of a text cannot be predicted from anything.
    if (!text || text->ids.size() < 2) {
      throw Error(ErrorKind::kInvalidArgument,
                  place_of(i, examples[i]) + ": there is no target token to predict",
                  "prompt and answer are empty, or max_input_length is too small");
    }
    ScoreRequest request{.model = model, .prompt = examples[i].source, .completion = {}};
    request.ids = std::move(text->ids);
    request.begin = static_cast<std::size_t>(std::max(1, text->target_begin));
    requests.push_back(std::move(request));
  }
  return requests;
}

class Transfer {
 public:
  Transfer(const std::vector<Example>& examples, const TransferOptions& options,
           const TransferObserver& observer)
      : examples_(examples), options_(options), observer_(observer) {
    std::map<std::string, std::int64_t> counts;
    for (const Example& example : examples) ++counts[example.task_name];
    for (const auto& [task, count] : counts) {
      matrix_.tasks.push_back(task);
      matrix_.examples.push_back(count);
    }
  }

  void add(const RoutedModel& model, std::string expert, std::vector<std::string> trained) {
    const Evaluation texts =
        evaluate_rouge(std::span(&model, 1), examples_, options_.generation, observer_).front();
    const std::map<std::string, double> losses = losses_of(model);
    TransferRow row{std::move(expert), std::move(trained), {}, {}};
    for (const std::string& task : matrix_.tasks) {
      row.loss.push_back(losses.at(task));
      row.rouge_l.push_back(texts.per_task.at(task));
    }
    matrix_.rows.push_back(std::move(row));
  }

  TransferMatrix finish() { return std::move(matrix_); }

 private:
  std::map<std::string, double> losses_of(const RoutedModel& model) const {
    std::size_t done = 0;
    const std::vector<Score> scores = score(
        score_requests(model, examples_, options_.generation.max_input_length), {}, [&](std::size_t all) {
          if (observer_) observer_(static_cast<std::int64_t>(all - done));
          done = all;
        });
    std::map<std::string, double> losses;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      require_done(scores[i].error, place_of(i, examples_[i]));
      losses[examples_[i].task_name] -= scores[i].logprob / static_cast<double>(scores[i].tokens);
    }
    for (std::size_t t = 0; t < matrix_.tasks.size(); ++t)
      losses[matrix_.tasks[t]] /= static_cast<double>(matrix_.examples[t]);
    return losses;
  }

  const std::vector<Example>& examples_;
  const TransferOptions& options_;
  const TransferObserver& observer_;
  TransferMatrix matrix_;
};

}  // namespace

TransferMatrix compute_transfer_matrix(std::shared_ptr<const BaseModel> base, const ExpertLibrary& library,
                                       const std::vector<Example>& examples, const TransferOptions& options,
                                       const TransferObserver& observer) {
  const std::vector<std::string> experts = options.experts.empty() ? library.names() : options.experts;
  // What is wrong with a late expert is better said before the first hours.
  std::vector<ExpertInfo> infos;
  for (const std::string& name : experts) {
    infos.push_back(library.info(name));
    check_base(infos.back(), base->fingerprint(), base->name());
  }
  Transfer transfer(examples, options, observer);
  transfer.add(RoutedModel(base, options.bos), "", {});
  for (const ExpertInfo& info : infos) {
    const RouterOptions router{.router = "expert", .expert = info.name, .bos = options.bos};
    transfer.add(RoutedModel::compose(base, library, router), info.name, info.tasks);
  }
  return transfer.finish();
}

Json to_json(const TransferMatrix& matrix) {
  Json rows = Json::array();
  for (const TransferRow& row : matrix.rows) {
    rows.push_back({{"expert", row.expert.empty() ? Json() : Json(row.expert)},
                    {"tasks", row.trained},
                    {"loss", row.loss},
                    {"rougeL", row.rouge_l}});
  }
  return {{"tasks", matrix.tasks}, {"n", matrix.examples}, {"rows", rows}};
}

}  // namespace quiver
