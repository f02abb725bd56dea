#include "core/strings.h"
#include "quiver/error.h"
#include "routing/routers/router_method.h"

namespace quiver {
namespace {

// The expert that was trained on the sequence's task.
class OracleRule : public SequenceRule {
 public:
  OracleRule(const ExpertSet& experts, const std::string& default_expert) : tasks_(experts.tasks()) {
    for (std::size_t e = 0; e < experts.size(); ++e) {
      for (const std::string& task : tasks_of(experts[e].info)) by_task_.emplace(task, e);
    }
    if (!default_expert.empty()) default_ = experts.index_of(default_expert);
  }

  SequenceNeeds needs() const override { return {.task = true}; }

  SequenceDecision decide(const SequenceInput& input) const override {
    if (const auto found = by_task_.find(input.task); found != by_task_.end())
      return {.shares = {{found->second, 1}}};
    if (default_) return {.shares = {{*default_, 1}}};
    const std::string near = did_you_mean(input.task, tasks_);
    throw Error(ErrorKind::kNotFound,
                input.task.empty() ? "the oracle router needs a task name for every text"
                                   : "no expert was trained on task '" + input.task + "'",
                near.empty() ? "give --default-expert, or route with arrow or uniform" : near);
  }

 private:
  std::vector<std::string> tasks_;
  std::map<std::string, std::size_t> by_task_;
  std::optional<std::size_t> default_;
};

}  // namespace

const RouterMethod kOracleRouter = {
    .info = {.name = "oracle", .help = "the expert of the text's task, which has to be told"},
    .fit = [](const RouterParts& parts,
              std::span<const Artefact* const>) -> std::shared_ptr<const SequenceRule> {
      return std::make_shared<OracleRule>(parts.experts, parts.options.default_expert);
    },
};

}  // namespace quiver
