#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "quiver/generation.h"

namespace quiver::program {

// MODEL of the command line: a base (with a library and a router), or a folder that `compose` wrote.
struct ModelArguments {
  std::string model;
  std::string library;
  std::vector<std::string> routers;  // `eval` takes several
  std::optional<int> top_k;
  std::optional<int> usual_top_k;  // the command's own, where the user gives none; none: the router's
  std::optional<double> temperature;
  std::optional<std::string> combine;
  std::string default_expert;
  std::string compat = "none";
  std::map<std::string, std::string> settings;  // of single routers, by RouterSetting::name
  std::optional<std::string> bos;               // auto, always or never; none: as composed, or auto

  // Adds the positional MODEL (or --base where `positional` is empty) and the routing options to a command.
  void add_to(Command& command, const std::string& positional = "MODEL");

  // `bos`, or else `fallback`.
  BeginOfText begin_of_text(BeginOfText fallback = BeginOfText::kAuto) const;

  // The options of every router asked for, `base` when none was. Throws UsageError.
  std::vector<RouterOptions> router_options() const;

  // Loads the base once and composes every router on it.
  std::vector<RoutedModel> load(const BaseModelOptions& base_options) const;

  // For commands that run one model. Throws UsageError when several routers are given.
  RoutedModel load_one(const GlobalOptions& global) const;
};

// --truncate, for commands that run texts as long as their users make them.
void add_truncate_option(Command& command, Truncation& truncation);

// --bos.
void add_bos_option(Command& command, std::optional<std::string>& bos, const std::string& help);

}  // namespace quiver::program
