#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quiver/routed_model.h"

namespace quiver {

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

}  // namespace quiver
