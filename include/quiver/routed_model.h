#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quiver/base_model.h"
#include "quiver/library.h"
#include "quiver/router.h"

namespace quiver {

class ExpertSet;
struct FittedRouter;
struct LoadedExperts;
class PromptRun;
class TextBeginning;

// What serves one sequence. Holds what it needs of its model.
struct Binding {
  std::shared_ptr<const LinearAdapter> adapter;  // null: the base alone
  // The weight of every expert, where it is one for all tokens and slots: sums to 1, or to 0 where no expert
  // serves the sequence. Empty: each token has its own, or there are no experts.
  std::vector<double> expert_weights = {};
  // What the adapter is made of: experts with their weights, or the adapter itself. Two bindings to one base
  // with equal content compute the same. Nothing: the base alone.
  using Content = std::vector<std::pair<std::shared_ptr<const void>, double>>;
  Content content = {};
  // By slot index, where slots have weights of their own; `expert_weights` is their mean.
  std::map<std::int64_t, std::vector<double>> slot_weights = {};
};

// A base model, experts and a router. Immutable and thread-safe; cheap to copy: base and experts are shared,
// so many routers can stand on one loaded base.
class RoutedModel {
 public:
  // The base alone. Throws as with_begin_of_text().
  explicit RoutedModel(std::shared_ptr<const BaseModel> base, BeginOfText bos = BeginOfText::kAuto);

  // Reads the experts of a library (for `expert:NAME` that one alone) and the
  // artefacts that the routers ask for (router_artefacts), each expert with its own in one version. Throws
  // Error: kInvalidArgument (an expert of another base, options that do not fit, all-zero prototypes, experts
  // trained with begin-of-text beside some trained without), kNotFound (no prototypes, with the command that
  // makes them), kStale (prototypes of other weights), and as with_begin_of_text().
  static RoutedModel compose(std::shared_ptr<const BaseModel> base, const ExpertLibrary& library,
                             const RouterOptions& router);
  // The same for several routers over one library, whose experts are then read once.
  static std::vector<RoutedModel> compose_all(std::shared_ptr<const BaseModel> base,
                                              const ExpertLibrary& library,
                                              std::span<const RouterOptions> routers);

  // The same over experts that are in memory, of the library at `uri` (src/modular/bind_experts.h).
  static RoutedModel compose_loaded(std::shared_ptr<const BaseModel> base, const LoadedExperts& loaded,
                                    const RouterOptions& router, const std::string& uri);

  // Writes the router, the experts and the prototypes, and a reference to the base, as one folder; in one
  // step.
  void save(const std::filesystem::path& directory) const;
  // Reads such a folder; logits are bit-identical to those of the model that was saved. Without `base` the
  // referenced one is loaded. Throws Error(kInvalidArgument) when the base is not the one it was composed
  // with, kCorruptFile.
  static RoutedModel load(const std::filesystem::path& directory,
                          std::shared_ptr<const BaseModel> base = nullptr,
                          const BaseModelOptions& options = {});
  // Whether `path` is such a folder.
  static bool is_saved_model(const std::filesystem::path& path);

  const BaseModel& base() const { return *base_; }
  std::shared_ptr<const BaseModel> shared_base() const { return base_; }
  const RouterOptions& router() const;
  std::vector<std::string> expert_names() const;  // of those that were read, sorted

  // The slots that an expert adapts: indices into BaseModel::slots(), ascending.
  std::vector<std::int64_t> adapted_slots() const;

  // The same model with another begin-of-text before every text. Throws Error(kInvalidArgument) for kAlways
  // where the tokenizer has no such token, Error(kUnsupported) for kAuto where it wants tokens after every
  // text too.
  RoutedModel with_begin_of_text(BeginOfText bos) const;
  // The same experts and routing vectors under other top_k, temperature and combine of the same token router;
  // nothing where the options differ in more, or the router is of another class. Throws as validate().
  std::optional<RoutedModel> with_mixing(const RouterOptions& options) const;
  // What stands before the model's texts (src/text/text_beginning.h).
  const TextBeginning& text_beginning() const { return *beginning_; }

  // What the sequence that begins with `prompt` is run with, from the prompt's ids and its task's name alone:
  // the same whatever is run beside it. Routers that look at neither return one adapter for all. Sequence
  // routers run the base over the prompt, as far as they look. Throws Error(kNotFound) with the nearest names
  // for the oracle and a task that no expert covers, unless there is a default expert; kNotFinite.
  Binding bind(std::span<const std::int32_t> prompt, const std::string& task_name = {}) const;
  // The same for a prompt that is run in steps (src/modular/prompt_run.h).
  Binding bind(PromptRun& prompt) const;

  // Whether bind() reads the prompt's ids.
  bool looks_at_prompts() const;
  // Whether the other is a copy of this model.
  bool shares_state(const RoutedModel& other) const { return state_ == other.state_; }
  // How many copies of this model there are, itself among them. Others may be made or go meanwhile.
  long copies() const { return state_.use_count(); }

  // The index, in expert_names(), of the expert that was trained on a task.
  std::optional<std::size_t> expert_of_task(const std::string& task_name) const;

  // The same model with one expert left out. Throws Error(kNotFound) for a name that is not among the
  // experts, kInvalidArgument where it is the only one, or where fewer than top_k would be left.
  RoutedModel without_expert(const std::string& name) const;

  // Hidden states (T, hidden) of a ragged batch, one task name per sequence (needed by the oracle only).
  at::Tensor forward(const RaggedBatch& batch, std::span<const std::string> task_names = {}) const;

  // The ids that a prompt to continue is run as: begin-of-text where it stands before texts, then the text
  // without its one trailing space; one id at least.
  std::vector<std::int32_t> prompt_ids(const std::string& prompt) const;

  // The routing weights of every adapted slot for a prompt, a record of a run: slot path -> (T, E) float32
  // for the T tokens of prompt_ids(), zero for experts not chosen.
  std::map<std::string, at::Tensor> route(const std::string& prompt, const std::string& task_name = {}) const;

 private:
  struct State;
  RoutedModel(std::shared_ptr<const BaseModel> base, std::shared_ptr<const State> state);
  static RoutedModel assemble(std::shared_ptr<const BaseModel> base, ExpertSet experts, RouterOptions router,
                              std::shared_ptr<const FittedRouter> fitted);

  std::shared_ptr<const BaseModel> base_;
  std::shared_ptr<const State> state_;
  std::shared_ptr<const TextBeginning> beginning_;
};

// What happens to a text that is longer than the model's positions: its prompt loses its beginning, as in
// lm-evaluation-harness, or its end, or it is an error.
enum class Truncation { kLeft, kRight, kError };
// "left", "right" or "error". Throws Error(kInvalidArgument) for anything else.
Truncation parse_truncation(const std::string& text);

}  // namespace quiver
