#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "quiver/begin_of_text.h"
#include "quiver/error.h"

namespace quiver {

// Who decides which experts a token uses.
enum class RouterKind {
  kBase,          // no expert: the base model alone
  kOracle,        // the expert of the sequence's task
  kUniform,       // every expert with weight 1/E
  kArrow,         // |x . p| with p the top right singular vector of B A (Ostapenko et al. 2024)
  kPhatgoose,     // standardized x . standardized trained gate (Muqeeth et al. 2024)
  kSingleExpert,  // one expert, given by name, for everything
};

// How several experts of one token are joined, in the reference "merge after" and "merge before".
enum class Combine {
  kOutput,     // y += sum_k w_k s_k B_k A_k x
  kParameter,  // y += (sum_e w_e s_e B_e)(sum_e w_e A_e) x, with cross terms B_i A_j
};

// Whose numbers a router reproduces where implementations differ.
enum class Compat {
  kNone,       // ours: the published formulas, every expert with its own scale
  kMttl,       // mttl 1.0: the first expert's scale for all, by name; generated text cleaned up and cut
  kPeft,       // PEFT's Arrow: outputs combined, top 3, prototypes by power iteration (artefact "arrow_peft")
  kPhatgoose,  // PhatGOOSE's own code: outputs combined; Arrow with logits / (10 sqrt(d)), top 2; weights are
               // those of a softmax over all experts, divided by the sum of the kept ones + 1e-6
};

// The choice of a router, as a value. parse_router() fills in each router's defaults.
struct RouterOptions {
  RouterKind kind = RouterKind::kBase;
  std::string expert = {};             // kSingleExpert: its name; empty otherwise
  int top_k = 0;                       // experts kept per token; <= 0: all. Read by kArrow and kPhatgoose
  double temperature = 0;              // divides the logits; 0: the router's own (arrow 1, phatgoose sqrt(d))
  Combine combine = Combine::kOutput;  // without effect where one expert is used
  std::string default_expert = {};     // kOracle: for tasks that no expert covers; empty: an error
  Compat compat = Compat::kNone;
  // What stands before every text. kAuto: none with kMttl; with experts as they were trained, else as the
  // base's tokenizer says.
  BeginOfText bos = BeginOfText::kAuto;
};

// "base", "oracle", "uniform", "arrow", "phatgoose" or "expert:NAME", with the defaults of the reference:
// combine kParameter for uniform and arrow, kOutput for phatgoose; top_k all for arrow, 2 for phatgoose. With
// `compat`, the defaults of that implementation. Throws Error(kInvalidArgument) listing the names, or for a
// router that the implementation does not have.
RouterOptions parse_router(const std::string& text, Compat compat = Compat::kNone);

// The text that parse_router() reads: "arrow", "expert:NAME".
std::string router_name(const RouterOptions& options);

// "output" or "parameter", and back. parse_combine() throws Error(kInvalidArgument).
std::string combine_name(Combine combine);
Combine parse_combine(const std::string& text);

// "none", "mttl", "peft" or "phatgoose", and back. parse_compat() throws Error(kInvalidArgument).
std::string compat_name(Compat compat);
Compat parse_compat(const std::string& text);

// {"router", "top_k", "combine"} and, where set, "temperature", "default_expert", "compat" and "bos".
nlohmann::json to_json(const RouterOptions& options);

// Reads what to_json() wrote; absent keys take the router's defaults, "top_k": 0 means all. `where` goes into
// messages. Throws Error(kInvalidArgument) for an unknown key, a wrong type, a temperature <= 0.
RouterOptions router_options_from_json(const nlohmann::json& object, const std::string& where);

// For a temperature that the user wrote down: throws Error(kInvalidArgument) unless it is finite and above 0.
void check_temperature(double temperature);

// Checks the options against the experts at hand. Throws Error(kInvalidArgument) naming the value: top_k
// above `expert_count`, a negative or non-finite temperature, no expert at all where the router needs one.
void validate(const RouterOptions& options, std::int64_t expert_count);

// As above, and Error(kNotFound) when `expert` or `default_expert` is not among `expert_names`.
void validate(const RouterOptions& options, std::span<const std::string> expert_names);

}  // namespace quiver
