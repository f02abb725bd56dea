#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "quiver/generation.h"
#include "quiver/scoring.h"

namespace quiver::python {
namespace {

using Base = std::shared_ptr<const BaseModel>;
// nanobind holds what it shares without const; nothing that is bound changes a base.
using HeldBase = std::shared_ptr<BaseModel>;
HeldBase held(const Base& base) { return std::const_pointer_cast<BaseModel>(base); }

HeldBase load_base(const std::filesystem::path& path, const std::string& precision,
                   const std::string& device) {
  const nb::gil_scoped_release unlocked;
  return held(BaseModel::load(path, {.precision = parse_precision(precision), .device = device}));
}

RoutedModel compose(const HeldBase& base, const std::optional<ExpertLibrary>& library,
                    const std::string& router, const nb::dict& settings) {
  const RouterOptions options = router_options_of(router, settings);
  const nb::gil_scoped_release unlocked;
  if (library) return RoutedModel::compose(base, *library, options);
  if (options.router != "base")
    throw Error(ErrorKind::kInvalidArgument, "the router '" + router + "' needs a library",
                "RoutedModel(base, ExpertLibrary(\"local://DIR\"), router=...)");
  return RoutedModel(base, options.bos);
}

// One task name for all, one each, or none.
std::string task_of(const std::vector<std::string>& tasks, std::size_t place) {
  return tasks.empty() ? std::string() : tasks[tasks.size() == 1 ? 0 : place];
}

void check_tasks(const std::vector<std::string>& tasks, std::size_t prompts) {
  if (tasks.size() <= 1 || tasks.size() == prompts) return;
  throw Error(ErrorKind::kInvalidArgument,
              std::to_string(tasks.size()) + " task names for " + std::to_string(prompts) + " texts",
              "give one for all, or one each");
}

struct Sampling {
  std::int64_t max_new_tokens;
  double temperature, top_p;
  std::uint64_t seed;
  std::vector<std::string> stop;
};

std::vector<Generation> generate_all(const RoutedModel& model, const std::vector<std::string>& prompts,
                                     const std::vector<std::string>& tasks, const Sampling& sampling,
                                     std::int64_t batch_size, bool record_routing) {
  check_tasks(tasks, prompts.size());
  std::vector<GenerationRequest> requests;
  for (std::size_t i = 0; i < prompts.size(); ++i) requests.push_back({model, prompts[i], task_of(tasks, i)});
  return generate(requests,
                  {.max_new_tokens = sampling.max_new_tokens,
                   .batch_size = batch_size,
                   .stop = sampling.stop,
                   .sampling_temperature = sampling.temperature,
                   .top_p = sampling.top_p,
                   .record_routing = record_routing,
                   .seed = sampling.seed},
                  {.on_step = [](const GenerationObserver::Step&) { raise_signals(); }});
}

std::vector<Score> score_all(const RoutedModel& model, const std::vector<std::string>& prompts,
                             const std::vector<std::string>& completions,
                             const std::vector<std::string>& tasks, bool append_end_of_text) {
  if (prompts.size() != completions.size())
    throw Error(ErrorKind::kInvalidArgument, std::to_string(prompts.size()) + " prompts and " +
                                                 std::to_string(completions.size()) + " completions");
  check_tasks(tasks, prompts.size());
  std::vector<ScoreRequest> requests;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    requests.push_back({.model = model,
                        .prompt = prompts[i],
                        .completion = completions[i],
                        .task_name = task_of(tasks, i),
                        .append_end_of_text = append_end_of_text});
  return score(requests, {}, [](std::size_t) { raise_signals(); });
}

nb::dict route(const RoutedModel& model, const std::string& prompt, const std::string& task_name) {
  std::map<std::string, at::Tensor> weights;
  {
    const nb::gil_scoped_release unlocked;
    weights = model.route(prompt, task_name);
  }
  nb::dict result;
  for (const auto& [slot, tensor] : weights) result[slot.c_str()] = array_of(tensor);
  return result;
}

template <typename Result>
std::optional<std::string> error_text(const Result& result) {
  if (!result.error) return std::nullopt;
  const std::string hint = result.error->hint();
  return result.error->what() + (hint.empty() ? std::string() : " (" + hint + ")");
}

void bind_results(nb::module_& module) {
  nb::class_<Generation>(module, "Generation", "What a model wrote after one prompt.")
      .def_ro("text", &Generation::text, "The continuation, without special tokens.")
      .def_ro("ids", &Generation::ids, "Its tokens; an end-of-text token that ended it is left out.")
      .def_ro("prompt_tokens", &Generation::prompt_tokens, "Tokens of the prompt that were run.")
      .def_ro("dropped_tokens", &Generation::dropped_tokens, "Tokens of the prompt that did not fit.")
      .def_ro("expert_weights", &Generation::expert_weights,
              "By expert of model.expert_names, with record_routing: mean weight over the prompt's tokens "
              "and the adapted slots; sums to 1, or to 0 where the base alone served it.")
      .def_ro("token_experts", &Generation::token_experts,
              "With record_routing: the heaviest expert of each of the prompt's tokens; -1: none.")
      .def_prop_ro("error", &error_text<Generation>, "Why this prompt failed; None: it did not.")
      .def("__repr__", [](const Generation& generation) {
        return "Generation(" + std::string(nb::repr(nb::str(generation.text.c_str())).c_str()) + ")";
      });
  nb::class_<Score>(module, "Score", "How likely a model holds a completion after its prompt.")
      .def_ro("logprob", &Score::logprob, "Sum over the completion's tokens, natural logarithm.")
      .def_ro("tokens", &Score::tokens, "Tokens of the completion.")
      .def_ro("greedy", &Score::greedy, "Whether every token of it is the most likely one.")
      .def_ro("end_logprob", &Score::end_logprob, "Of the end-of-text token after it, where asked for.")
      .def_ro("expert_weights", &Score::expert_weights, "Of routers that decide once a prompt, by expert.")
      .def_prop_ro("error", &error_text<Score>, "Why this request failed; None: it did not.")
      .def("__repr__", [](const Score& score) {
        return "Score(logprob=" + std::to_string(score.logprob) + ", tokens=" + std::to_string(score.tokens) +
               ")";
      });
}

}  // namespace

void bind_models(nb::module_& module) {
  bind_results(module);
  nb::class_<BaseModel>(module, "BaseModel",
                        "A causal language model with frozen weights, shared by any number of routed models "
                        "and threads.")
      .def_prop_ro("name", &BaseModel::name, "The path it was loaded from.")
      .def_prop_ro("fingerprint", &BaseModel::fingerprint,
                   "SHA-256 over the architecture and a sample of every weight.")
      .def_prop_ro(
          "family", [](const BaseModel& base) { return base.shape().family; },
          "As config.json's `model_type`.")
      .def_prop_ro("layers", [](const BaseModel& base) { return base.shape().layers; })
      .def_prop_ro(
          "hidden", [](const BaseModel& base) { return base.shape().hidden; },
          "Width of the residual stream.")
      .def_prop_ro("vocabulary", [](const BaseModel& base) { return base.shape().vocabulary; })
      .def_prop_ro("max_positions", [](const BaseModel& base) { return base.shape().max_positions; })
      .def_prop_ro(
          "modules",
          [](const BaseModel& base) {
            std::vector<std::string> paths;
            for (const LinearSlot& slot : base.slots()) paths.push_back(slot.path);
            return paths;
          },
          "Paths of the linear layers that experts may change.")
      .def(
          "tokenize",
          [](const BaseModel& base, const std::string& text) { return base.tokenizer().encode(text); },
          nb::arg("text"), nb::call_guard<nb::gil_scoped_release>(),
          "Token ids of a text, no special tokens added.")
      .def(
          "detokenize",
          [](const BaseModel& base, const std::vector<std::int32_t>& ids) {
            return base.tokenizer().decode(ids, SpecialTokens::kKeep);
          },
          nb::arg("ids"), nb::call_guard<nb::gil_scoped_release>())
      .def("__repr__", [](const BaseModel& base) { return "BaseModel('" + base.name() + "')"; });
  module.def("load_base", &load_base, nb::arg("path"), nb::arg("precision") = "float32",
             nb::arg("device") = "cpu");

  nb::class_<RoutedModel>(module, "RoutedModel",
                          "A base model, experts and a router. Immutable, cheap to copy, usable from several "
                          "threads at once.")
      .def_prop_ro("expert_names", &RoutedModel::expert_names, "Of the experts that were read, sorted.")
      .def_prop_ro("router", [](const RoutedModel& model) { return router_name(model.router()); })
      .def_prop_ro("base", [](const RoutedModel& model) { return held(model.shared_base()); })
      .def("prompt_ids", &RoutedModel::prompt_ids, nb::arg("prompt"),
           "The ids that a prompt to continue is run as.")
      .def(
          "generate_all",
          [](const RoutedModel& model, const std::vector<std::string>& prompts,
             const std::vector<std::string>& tasks, std::int64_t max_new_tokens, double temperature,
             double top_p, std::uint64_t seed, const std::vector<std::string>& stop, std::int64_t batch_size,
             bool record_routing) {
            return generate_all(model, prompts, tasks, {max_new_tokens, temperature, top_p, seed, stop},
                                batch_size, record_routing);
          },
          nb::arg("prompts"), nb::arg("tasks"), nb::arg("max_new_tokens"), nb::arg("temperature"),
          nb::arg("top_p"), nb::arg("seed"), nb::arg("stop"), nb::arg("batch_size"),
          nb::arg("record_routing"), nb::call_guard<nb::gil_scoped_release>())
      .def("score_all", &score_all, nb::arg("prompts"), nb::arg("completions"), nb::arg("tasks"),
           nb::arg("append_end_of_text"), nb::call_guard<nb::gil_scoped_release>())
      .def("route", &route, nb::arg("prompt"), nb::arg("task_name") = "",
           "Routing weights of every adapted slot: path -> array (T, E) float32 for the T tokens of\n"
           "prompt_ids(prompt) and the E experts of expert_names; zero for experts not chosen.")
      .def("without_expert", &RoutedModel::without_expert, nb::arg("name"),
           nb::call_guard<nb::gil_scoped_release>(), "The same model with one expert left out.")
      .def("save", &RoutedModel::save, nb::arg("directory"), nb::call_guard<nb::gil_scoped_release>(),
           "Writes router, experts and a reference to the base as one folder, in one step.")
      .def("__repr__", [](const RoutedModel& model) {
        return "RoutedModel('" + model.base().name() + "', router='" + router_name(model.router()) + "', " +
               std::to_string(model.expert_names().size()) + " experts)";
      });
  module.def("compose", &compose, nb::arg("base"), nb::arg("library").none(), nb::arg("router"),
             nb::arg("settings"));
  module.def(
      "load_routed_model",
      [](const std::filesystem::path& directory, const std::optional<HeldBase>& base) {
        return RoutedModel::load(directory, base ? Base(*base) : nullptr);
      },
      nb::arg("directory"), nb::arg("base").none(), nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace quiver::python
