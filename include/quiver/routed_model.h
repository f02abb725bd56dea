#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
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
class TextBeginning;

// What serves one sequence. Holds what it needs of its model.
struct Binding {
  std::shared_ptr<const LinearAdapter> adapter;  // null: the base alone
  // The weight of every expert, where it is one for all tokens and slots: sums to 1, or to 0 where no expert
  // serves the sequence. Empty: each token has its own, or there are no experts.
  std::vector<double> expert_weights = {};
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

// One text to continue. Requests of one call may use different models as long as these share their base.
struct GenerationRequest {
  RoutedModel model;
  std::string prompt;
  std::string task_name = {};
};

struct GenerationOptions {
  std::int64_t max_new_tokens = 128;
  std::int64_t batch_size = 8;           // sequences decoded together
  std::int64_t max_input_length = 1024;  // longer prompts are cut
  Truncation truncation = Truncation::kLeft;
  // Texts that end a generation; they and what follows are cut off. Looked for with special tokens spelled
  // out.
  std::vector<std::string> stop = {};
  bool ignore_stop_tokens = false;  // go on after an end-of-text token, up to max_new_tokens
  double sampling_temperature = 0;  // 0: greedy
  double top_p = 1;                 // sampling: the smallest set of tokens with this probability
  // Keep the routing of every prompt, see Generation. Costs time where tokens route themselves.
  bool record_routing = false;
  // With a request's place in the call it decides what is drawn for that request, whatever is decoded beside.
  std::uint64_t seed = 42;
};

struct Generation {
  std::string text;                 // without special tokens
  std::vector<std::int32_t> ids;    // new tokens, the end-of-text token that ended them left out
  std::int64_t prompt_tokens = 0;   // run
  std::int64_t dropped_tokens = 0;  // of the prompt, which was too long
  // With record_routing. By expert of RoutedModel::expert_names(), the mean over the prompt's tokens and the
  // adapted slots of the weights that were used: sums to 1, or to 0 where the base alone served the prompt.
  // Empty without experts. Slots behind the last layer's attention see the last token alone and do not count.
  std::vector<double> expert_weights = {};
  // The expert with the largest weight, over all slots, of each of the prompt's tokens; -1: none.
  std::vector<std::int32_t> token_experts = {};
  // Why this request failed: kInvalidArgument (too long, with Truncation::kError), kNotFound (a task that no
  // expert covers), kUnsupported (a text too long to tokenize), kNotFinite (NaN or infinite logits; text and
  // ids then hold what came before).
  std::optional<Error> error = {};
};

// What `generate` tells while it runs; all from the calling thread.
struct GenerationObserver {
  // One step of the batch: whole prompts of sequences that begin, one token of each that goes on.
  struct Step {
    std::int64_t prompt_tokens = 0;  // of sequences that begin with it
    std::int64_t sequences = 0;      // run together, each of which gets a token
    double seconds = 0;
  };

  std::function<void(std::size_t, const Generation&)> on_done = {};  // each request once, with its place
  std::function<void(const Step&)> on_step = {};
};

// Continues every prompt; results in the order of the requests. Sequences are decoded in ragged batches: one
// that ends leaves, the next waiting one joins. Prompts are tokenized without their one trailing space. A
// request that fails says so in its own result, and the others go on. Throws Error(kInvalidArgument) for
// options that fit no request, and for models of different bases.
std::vector<Generation> generate(std::span<const GenerationRequest> requests,
                                 const GenerationOptions& options, const GenerationObserver& observer = {});

// A completion to score after its prompt. Tokenized jointly and split at the character offset: a token
// belongs to the completion when it ends after the prompt does. Without a prompt it is scored after
// begin-of-text, or end-of-text where the tokenizer has none.
struct ScoreRequest {
  RoutedModel model;
  std::string prompt;
  std::string completion;
  std::string task_name = {};
  bool append_end_of_text = false;
  // Prompt and completion as tokens, the completion's from `begin`, at least 1, on. When there are some, the
  // texts are not looked at, but that neighbours with one prompt share its run.
  std::vector<std::int32_t> ids = {};
  std::size_t begin = 0;
};

struct Score {
  double logprob = 0;       // sum over the completion's tokens, natural logarithm
  std::int64_t tokens = 0;  // of the completion
  bool greedy = false;      // every token of it is the most likely one
  double end_logprob = 0;   // of the end-of-text token after the completion, when it was asked for; else 0
  std::int64_t dropped_tokens = 0;  // of the prompt, which was too long
  // By expert, of routers that decide once a sequence, as Binding::expert_weights.
  std::vector<double> expert_weights = {};
  // Why this request failed; the rest is then 0. kInvalidArgument (an empty or too long completion),
  // kNotFound, kUnsupported, kNotFinite as in Generation.
  std::optional<Error> error = {};
};

struct ScoreOptions {
  // Tokens run at once; only a single text may have more. Caches hold up to four times as many meanwhile.
  std::int64_t token_budget = 4096;
  std::int64_t max_input_length = 1 << 30;  // the prompts of longer texts are cut; at most the positions + 1
  Truncation truncation = Truncation::kLeft;
};

// Scores every completion; results in the order of the requests. Neighbouring requests with the same model
// and prompt run the shared beginning once; what all requests with one adapter begin with also runs once.
// `on_progress` is told how many requests are done. A request that fails says so in its own result, and the
// others go on. Throws Error(kInvalidArgument) for models of different bases.
std::vector<Score> score(std::span<const ScoreRequest> requests, const ScoreOptions& options = {},
                         const std::function<void(std::size_t)>& on_progress = {});

}  // namespace quiver
