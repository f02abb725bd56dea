#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <future>
#include <limits>
#include <memory>

#include "commands.h"
#include "core/log.h"
#include "core/strings.h"
#include "interrupt.h"
#include "model_arguments.h"
#include "model_cache.h"
#include "server/library_watch.h"
#include "server/server.h"

namespace quiver::program {
namespace {

struct Arguments {
  ModelArguments model;
  std::string host = "127.0.0.1", api_key_file, cache_memory = "1G", expert_memory, loading_root,
              chat_template;
  bool allows_loading = false;
  std::int64_t port = 8080, drain_seconds = 30;
  std::optional<double> request_timeout;
  std::vector<std::string> served_names, pinned;
  EngineOptions engine;
};

// "512M", "2G", or bytes.
std::int64_t parse_memory(const std::string& text) {
  constexpr std::string_view kUnits = "KMGT";
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  std::int64_t factor = 1;
  if (unit.size() == 1 && kUnits.find(unit) != std::string_view::npos)
    factor = std::int64_t{1} << (10 * (kUnits.find(unit) + 1));
  const bool is_unit = unit.empty() || factor > 1;
  if (error != std::errc() || !is_unit || number <= 0 ||
      number > std::numeric_limits<std::int64_t>::max() / factor)
    throw Error(ErrorKind::kInvalidArgument, "is no amount of memory such as 512M or 2G");
  return number * factor;
}

// NAME for the base, NAME=ID for another model.
std::map<std::string, std::string> aliases_of(const std::vector<std::string>& names) {
  std::map<std::string, std::string> aliases;
  for (const std::string& text : names) {
    const std::size_t equals = text.find('=');
    aliases[text.substr(0, equals)] = equals == std::string::npos ? "base" : text.substr(equals + 1);
  }
  return aliases;
}

void check_aliases(const std::map<std::string, std::string>& aliases, const ModelSource& models) {
  std::vector<std::string> ids;
  for (const ServedModel& model : models.models()) ids.push_back(model.id);
  for (const auto& [name, id] : aliases) {
    if (std::ranges::find(ids, id) == ids.end())
      throw Error(ErrorKind::kNotFound,
                  "--served-model-name " + name + "=" + id + ": there is no model '" + id + "'",
                  did_you_mean(id, ids));
  }
}

// A base without a template is served without chats.
std::shared_ptr<const ChatTemplate> load_template(const std::string& file,
                                                  std::shared_ptr<const BaseModel> base) {
  const std::shared_ptr<const Tokenizer> tokenizer(base, &base->tokenizer());
  if (!file.empty()) return ChatTemplate::from_file(file, tokenizer);
  try {
    return ChatTemplate::load(base->name(), tokenizer);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound) throw;
    return nullptr;
  }
}

bool is_composed(const Arguments& arguments) { return RoutedModel::is_saved_model(arguments.model.model); }

std::shared_ptr<ModelRegistry> load_models(const Arguments& arguments, RegistryOptions options,
                                           const GlobalOptions& global) {
  if (is_composed(arguments)) {
    options.composed = arguments.model.load_one(global);  // refuses a library and a router beside it
    options.composed_root = arguments.model.model;
    return std::make_shared<ModelRegistry>(options.composed->shared_base(), std::nullopt, options);
  }
  std::optional<ExpertLibrary> library;
  if (!arguments.model.library.empty()) library = ExpertLibrary::open(arguments.model.library);
  const std::shared_ptr<const BaseModel> base =
      BaseModel::load(resolve_base(arguments.model.model), global.model_options());
  return std::make_shared<ModelRegistry>(base, std::move(library), std::move(options));
}

RegistryOptions registry_options(const Arguments& arguments) {
  RegistryOptions options{.bos = arguments.model.begin_of_text(), .pinned = arguments.pinned};
  // A library alone is served, too: its experts one by one.
  if (!arguments.model.routers.empty() && !is_composed(arguments))
    options.routers = arguments.model.router_options();
  if (!arguments.pinned.empty() && is_composed(arguments))
    throw UsageError("--pin-expert goes with --library: all experts of a composed model stay");
  if (!arguments.expert_memory.empty()) options.expert_memory = parse_memory(arguments.expert_memory);
  if (arguments.allows_loading != !arguments.loading_root.empty())
    throw UsageError("--allow-loading and --loading-root belong together");
  if (arguments.allows_loading) options.loading_root = arguments.loading_root;
  return options;
}

void run(const Arguments& arguments, const GlobalOptions& global) {
  mallopt(M_ARENA_MAX, 2);  // what one thread frees serves the others; each keeps its most otherwise
  RegistryOptions registry = registry_options(arguments);
  ServerOptions options{.http = {.host = arguments.host, .port = static_cast<std::uint16_t>(arguments.port)},
                        .engine = arguments.engine,
                        .aliases = aliases_of(arguments.served_names),
                        .drain = std::chrono::seconds(arguments.drain_seconds)};
  options.engine.decoding.cache_memory = parse_memory(arguments.cache_memory);
  if (!arguments.api_key_file.empty()) options.keys = ApiKeys::read(arguments.api_key_file);
  if (arguments.request_timeout) {
    const std::chrono::duration<double> seconds(std::min(*arguments.request_timeout, 1e9));
    options.request_timeout = std::chrono::ceil<std::chrono::milliseconds>(seconds);
  }
  Server server(options);
  log_info("loads; http://" + server.address() + "/health says when it is ready");
  // On a thread that ends: OpenMP keeps the helpers of every thread that ever needed some, and once there are
  // more of them than processors, those of the engine hardly wait awake for their next turn.
  const std::shared_ptr<ModelRegistry> models = std::async(std::launch::async, [&] {
                                                  return load_models(arguments, std::move(registry), global);
                                                }).get();
  check_aliases(options.aliases, *models);
  server.open({models, load_template(arguments.chat_template, models->base())});
  if (arguments.api_key_file.empty() && arguments.host != "127.0.0.1" && arguments.host != "localhost" &&
      arguments.host != "::1")
    log_warning("whoever reaches " + server.address() + " may use this server: there is no --api-key-file");
  std::printf("http://%s\n", server.address().c_str());
  std::fflush(stdout);
  log_info("serves " + std::to_string(models->models().size()) + " models on http://" + server.address());
  reload_on_hangup();
  const LibraryWatch watch(models, std::chrono::seconds(1), take_reload_request);
  server.run(interrupt_requested);
  log_info("stopped");
}

}  // namespace

void add_serve(Command& program, GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  Command* command = program.add_subcommand("serve", "Answer requests of OpenAI's clients over HTTP");
  arguments->model.add_to(*command);
  command->add_option("--chat-template", arguments->chat_template,
                      "Jinja file in place of the base's own chat template");
  command->add_option("--host", arguments->host, "Address to listen on")->capture_default_str();
  command->add_option("--port", arguments->port, "Port to listen on; 0: any that is free")
      ->check(whole_number(0, 65535))
      ->capture_default_str();
  command->add_option(
      "--api-key-file", arguments->api_key_file,
      "File with the keys that open the server, one a line (default: open to all who reach it)");
  command
      ->add_option("--served-model-name", arguments->served_names,
                   "Another name for the base, or NAME=MODEL for another model; may be given several times")
      ->allow_extra_args(false);
  command->add_option("--max-batch", arguments->engine.decoding.max_sequences, "Sequences decoded together")
      ->check(Number::kPositive)
      ->capture_default_str();
  command->add_option("--max-queue", arguments->engine.max_queue, "Sequences that wait; more get 429")
      ->check(Number::kNonNegative)
      ->capture_default_str();
  command->add_option("--cache-memory", arguments->cache_memory, "For keys and values: 512M, 2G, or bytes")
      ->check(parsed_by(parse_memory))
      ->capture_default_str();
  command
      ->add_option("--expert-memory", arguments->expert_memory,
                   "For experts: 512M, 2G, or bytes (default: no bound)")
      ->check(parsed_by(parse_memory));
  command
      ->add_option("--pin-expert", arguments->pinned,
                   "Expert that stays in memory; may be given several times")
      ->allow_extra_args(false);
  command->add_flag("--allow-loading", arguments->allows_loading,
                    "Requests may load and unload adapters below --loading-root");
  command->add_option("--loading-root", arguments->loading_root, "The folder that --allow-loading opens");
  command
      ->add_option(
          "--request-timeout", arguments->request_timeout,
          "Seconds from a request's arrival, its wait in the queue included, after which it is given "
          "up (default: none)")
      ->check(number_above_zero());
  command
      ->add_option("--drain-seconds", arguments->drain_seconds,
                   "Time for running requests to end when the server is asked to stop")
      ->check(whole_number(0, 86400))
      ->capture_default_str();
  command->callback([arguments, &global] { run(*arguments, global); });
}

}  // namespace quiver::program
