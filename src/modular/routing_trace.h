#pragma once

#include <memory>
#include <vector>

#include "modular/adapters.h"
#include "quiver/decoding.h"

namespace quiver {

// Records the routing of one sequence, from what was applied to it.
class RoutingTrace {
 public:
  // `prompt`: tokens.
  RoutingTrace(const RoutedModel& model, const Binding& binding, RoutingRecord kind, std::int64_t prompt);

  // What to run `rows` tokens from the sequence's `begin` on with. Those that are run for the first time, the
  // last ones, are recorded when it has run.
  std::shared_ptr<const LinearAdapter> adapter_for(std::int64_t begin, std::int64_t rows);

  // Writes what is known of the prompt, all of whose tokens were run.
  void tell_prompt(SequenceEvent& event) const;
  // Moves the rows that were recorded since the last call.
  void move_rows(SequenceEvent& event);

 private:
  std::shared_ptr<const MixtureAdapter> mixture_;  // null: all tokens and slots have the same weights
  std::shared_ptr<const LinearAdapter> adapter_;
  at::Tensor constant_;              // (E), without a mixture
  std::vector<std::int64_t> slots_;  // adapted ones
  RoutingRecord kind_;
  at::Tensor prompt_;             // (prompt, E): sums over slots
  std::int64_t run_ = 0;          // tokens so far
  std::vector<at::Tensor> rows_;  // (n, slots, E)
};

}  // namespace quiver
