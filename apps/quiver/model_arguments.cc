#include "model_arguments.h"

#include "model_cache.h"
#include "quiver/error.h"

namespace quiver::program {
namespace {

// Not every implementation has every router.
RouterOptions compatible_router(const std::string& text, const std::string& compat) {
  try {
    return parse_router(text, parse_compat(compat));
  } catch (const Error& error) {
    throw UsageError("--compat: " + std::string(error.what()) + "; " + error.hint());
  }
}

}  // namespace

void ModelArguments::add_to(Command& command, const std::string& positional) {
  command
      .add_option(positional, model,
                  "A Hugging Face folder, a .gguf file, a fetched name, or a composed folder")
      ->required();
  command.add_option("--library", library, "Expert library: local://DIR, a path, or virtual://NAME");
  command.add_option("--router", routers, router_names_text())
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(parsed_by([](const std::string& text) { parse_router(text); }));
  command.add_option("--top-k", top_k, "Experts kept per token (arrow, phatgoose); 0: all")
      ->check(Range{0, 1 << 30});
  command.add_option("--temperature", temperature, "Divides the routing logits")->check(number_above_zero());
  command.add_option("--combine", combine, "output (merge after) or parameter (merge before)")
      ->check(OneOf{{"output", "parameter"}});
  command.add_option("--default-expert", default_expert, "Oracle: the expert for tasks that none covers");
  command.add_option("--compat", compat, "Whose numbers to reproduce: none, mttl, peft or phatgoose")
      ->check(OneOf{{"none", "mttl", "peft", "phatgoose"}})
      ->capture_default_str();
  add_bos_option(
      command, bos,
      "Begin-of-text before every text: auto (as the experts were trained, or as the base's tokenizer "
      "says), always or never");
}

BeginOfText ModelArguments::begin_of_text(BeginOfText fallback) const {
  return bos ? parse_begin_of_text(*bos) : fallback;
}

void add_truncate_option(Command& command, Truncation& truncation) {
  command
      .add_option_function(
          "--truncate", [&truncation](const std::string& text) { truncation = parse_truncation(text); },
          "What a prompt loses that is too long for the model: left (its beginning, the default), right (its "
          "end), or error")
      ->check(OneOf{{"left", "right", "error"}});
}

void add_bos_option(Command& command, std::optional<std::string>& bos, const std::string& help) {
  command.add_option("--bos", bos, help)->check(OneOf{{"auto", "always", "never"}});
}

std::vector<RouterOptions> ModelArguments::router_options() const {
  std::vector<RouterOptions> options;
  for (const std::string& text : routers) {
    RouterOptions router = compatible_router(text, compat);
    router.bos = begin_of_text();
    if (top_k) router.top_k = *top_k;
    if (temperature) router.temperature = *temperature;
    if (combine) router.combine = parse_combine(*combine);
    if (router.router == "oracle") router.default_expert = default_expert;
    if (router.router != "base" && library.empty()) {
      throw UsageError("--router " + text + " needs --library");
    }
    options.push_back(std::move(router));
  }
  if (options.empty()) {
    if (!library.empty()) {
      throw UsageError("--library needs --router: " + router_names_text());
    }
    options.push_back({.bos = begin_of_text()});
  }
  return options;
}

std::vector<RoutedModel> ModelArguments::load(const BaseModelOptions& base_options) const {
  if (RoutedModel::is_saved_model(model)) {
    if (!routers.empty() || !library.empty() || top_k || temperature || combine || !default_expert.empty() ||
        compat != "none") {
      throw Error(ErrorKind::kInvalidArgument,
                  "'" + model + "' is a composed model and has its router already",
                  "leave out --library, --router and the router's options");
    }
    RoutedModel composed = RoutedModel::load(model, nullptr, base_options);
    return {bos ? composed.with_begin_of_text(begin_of_text()) : composed};
  }
  const std::vector<RouterOptions> options = router_options();
  const std::shared_ptr<const BaseModel> base = BaseModel::load(resolve_base(model), base_options);
  bool only_base = true;
  for (const RouterOptions& router : options) only_base = only_base && router.router == "base";
  if (only_base) {
    const BeginOfText of_base =
        begin_of_text(compat == compat_name(Compat::kMttl) ? BeginOfText::kNever : BeginOfText::kAuto);
    return std::vector<RoutedModel>(options.size(), RoutedModel(base, of_base));
  }
  return RoutedModel::compose_all(base, ExpertLibrary::open(library), options);
}

RoutedModel ModelArguments::load_one(const GlobalOptions& global) const {
  if (routers.size() > 1) {
    throw UsageError("this command takes one --router, not " + std::to_string(routers.size()) +
                     "; `quiver eval` takes several");
  }
  return load(global.model_options()).front();
}

}  // namespace quiver::program
