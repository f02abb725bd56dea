#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cmath>

#include "modular/decoding_batch.h"
#include "quiver/error.h"

namespace quiver {
namespace {

// "nan", "-inf", "0.5", "1e-300".
std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

// Written so that NaN fails.
void check_sampling(const GenerationOptions& options) {
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    throw Error(ErrorKind::kInvalidArgument,
                "top_p is " + number_text(options.top_p) + ", it must be above 0 and at most 1");
  }
  if (!(options.sampling_temperature >= 0) || std::isinf(options.sampling_temperature)) {
    throw Error(ErrorKind::kInvalidArgument, "the sampling temperature is " +
                                                 number_text(options.sampling_temperature) +
                                                 ", it must be a finite number, 0 or more");
  }
}

void check(std::span<const GenerationRequest> requests, const GenerationOptions& options) {
  if (options.max_new_tokens < 1 || options.batch_size < 1 || options.max_input_length < 1) {
    throw Error(ErrorKind::kInvalidArgument,
                "max_new_tokens, batch_size and max_input_length must be at least 1");
  }
  check_sampling(options);
  for (const std::string& stop : options.stop) {
    if (stop.empty()) throw Error(ErrorKind::kInvalidArgument, "a stop text is empty");
  }
  const BaseModel& base = requests.front().model.base();
  for (const GenerationRequest& request : requests) {
    if (&request.model.base() != &base) {
      throw Error(ErrorKind::kInvalidArgument, "the requests of one call must share their base model");
    }
  }
  if (options.max_new_tokens >= base.shape().max_positions) {
    throw Error(ErrorKind::kInvalidArgument,
                std::to_string(options.max_new_tokens) + " new tokens do not fit in the " +
                    std::to_string(base.shape().max_positions) + " positions of the model",
                "lower --max-new-tokens");
  }
}

}  // namespace

std::vector<Generation> generate(std::span<const GenerationRequest> requests,
                                 const GenerationOptions& options, const GenerationObserver& observer) {
  const at::NoGradGuard no_gradients;
  std::vector<Generation> results(requests.size());
  if (requests.empty()) return results;
  check(requests, options);
  const auto finish = [&](std::size_t place, Generation result) {
    results[place] = std::move(result);
    if (observer.on_done) observer.on_done(place, results[place]);
  };
  DecodingBatch batch(requests.front().model.base(), options);
  for (std::size_t next = 0; next < requests.size() || !batch.is_empty();) {
    const auto start = std::chrono::steady_clock::now();
    for (; next < requests.size() && batch.has_room(); ++next) {
      try {
        batch.add(next, requests[next]);
      } catch (const Error& error) {
        finish(next, {.text = {}, .ids = {}, .prompt_tokens = 0, .error = error});
      }
    }
    if (batch.is_empty()) continue;
    GenerationObserver::Step step{.prompt_tokens = batch.prompt_tokens(), .sequences = batch.sequences()};
    std::vector<std::pair<std::size_t, Generation>> ended = batch.step();
    step.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (observer.on_step) observer.on_step(step);
    for (auto& [place, result] : ended) finish(place, std::move(result));
  }
  return results;
}

}  // namespace quiver
