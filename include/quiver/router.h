#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "quiver/begin_of_text.h"
#include "quiver/error.h"

namespace quiver {

// What a router's decision belongs to.
enum class RouterClass {
  kFixed,     // the model, or a sequence's task: no text is looked at
  kSequence,  // one decision for a prompt, from hidden states of the base; constant while decoding
  kToken,     // each token in each slot
};

// One setting that a router has beside those of RouterOptions: an option --NAME of the program, a key of the
// router in JSON.
struct RouterSetting {
  std::string name;
  std::string help;                  // one line
  std::string fallback;              // its value where nothing is said
  std::vector<std::string> words{};  // what it may be; empty: a number, or, with `is_text`, any text
  double least = 0, most = 1e9;      // of a number
  bool is_whole = false;             // whole numbers alone
  bool is_text = false;
};

// What is known of a router before it has experts.
struct RouterInfo {
  std::string name;  // as parse_router() reads it; "expert" for "expert:NAME"
  RouterClass kind = RouterClass::kFixed;
  std::string help;       // one line
  bool combines = false;  // several experts may meet, so that `combine` counts
  bool selects = false;   // `top_k` counts
  std::vector<RouterSetting> settings{};
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
  std::string router = "base";         // RouterInfo::name
  std::string expert = {};             // router "expert": its name; empty otherwise
  int top_k = 0;                       // experts kept; <= 0: all. Read where RouterInfo::selects
  double temperature = 0;              // divides the logits; 0: the router's own (arrow 1, phatgoose sqrt(d))
  Combine combine = Combine::kOutput;  // without effect where one expert is used
  std::string default_expert = {};     // oracle: for tasks that no expert covers; empty: an error
  Compat compat = Compat::kNone;
  // What stands before every text. kAuto: none with kMttl; with experts as they were trained, else as the
  // base's tokenizer says.
  BeginOfText bos = BeginOfText::kAuto;
  std::map<std::string, std::string> settings = {};  // RouterInfo::settings that were given, by name
};

// Every router of this build, in the order in which help texts list them.
std::vector<RouterInfo> router_infos();

// Of one that parse_router() made. Throws Error(kInvalidArgument) for a name that is not among
// router_infos().
RouterInfo router_info(const RouterOptions& options);

// "base, oracle, uniform, ... or expert:NAME".
std::string router_names_text();

// The kinds of artefacts that every expert must have for the router, its fallback and its prior.
std::vector<std::string> router_artefacts(const RouterOptions& options);

// Checks and keeps one setting. Throws Error(kInvalidArgument) for a setting that the router does not have,
// naming those it has, and for a value that it cannot take.
void set_router_setting(RouterOptions& options, const std::string& name, const std::string& value);

// The value of one of the router's settings, given or its fallback.
std::string router_setting(const RouterOptions& options, const std::string& name);
double router_number(const RouterOptions& options, const std::string& name);

// A name of router_infos() or "expert:NAME", with the defaults of the reference, which stand in the router's
// own file: combine kParameter for uniform, arrow, average_activation and poly, else kOutput; top_k 2 for
// phatgoose, 3 for prompt and logo, else all. With `compat`, the defaults of that implementation. Throws
// Error(kInvalidArgument) listing the names, or for a router that the implementation does not have.
RouterOptions parse_router(const std::string& text, Compat compat = Compat::kNone);

// The text that parse_router() reads: "arrow", "expert:NAME".
std::string router_name(const RouterOptions& options);

// "output" or "parameter", and back. parse_combine() throws Error(kInvalidArgument).
std::string combine_name(Combine combine);
Combine parse_combine(const std::string& text);

// "none", "mttl", "peft" or "phatgoose", and back. parse_compat() throws Error(kInvalidArgument).
std::string compat_name(Compat compat);
Compat parse_compat(const std::string& text);

// {"router", "top_k", "combine"} and, where set, "temperature", "default_expert", "compat", "bos" and the
// router's settings.
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
