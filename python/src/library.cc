#include "quiver/library.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"

namespace quiver::python {
namespace {

nb::dict info_of(const ExpertInfo& info) {
  nb::dict result;
  result["name"] = info.name;
  result["tasks"] = info.tasks;
  result["base_model"] = info.base_model;
  result["rank"] = info.lora.rank;
  result["alpha"] = info.lora.alpha;
  result["training"] = python_of(info.training);
  result["metrics"] = python_of(info.metrics);
  return result;
}

nb::dict weights_of(const Expert& expert) {
  nb::dict modules;
  for (const auto& [path, weights] : expert.modules)
    modules[path.c_str()] = nb::make_tuple(array_of(weights.a), array_of(weights.b), weights.scale);
  return modules;
}

Expert expert_of(const std::string& name, const nb::dict& modules, const std::vector<std::string>& tasks,
                 const std::string& base_model) {
  Expert expert;
  expert.info.name = name;
  expert.info.tasks = tasks;
  expert.info.base_model = base_model;
  for (const auto& [path, value] : modules) {
    const nb::tuple parts = nb::cast<nb::tuple>(value);
    if (parts.size() != 3)
      throw Error(
          ErrorKind::kInvalidArgument,
          "module '" + nb::cast<std::string>(path) + "' has " + std::to_string(parts.size()) + " parts",
          "a module is (A (rank, in), B (out, rank), scale)");
    LoraWeights weights{tensor_of(parts[0]).to(at::kFloat), tensor_of(parts[1]).to(at::kFloat),
                        nb::cast<double>(parts[2])};
    if (weights.a.dim() != 2 || weights.b.dim() != 2 || weights.a.size(0) != weights.b.size(1))
      throw Error(ErrorKind::kInvalidArgument, "the factors of module '" + nb::cast<std::string>(path) +
                                                   "' do not fit: A is (rank, in), B is (out, rank)");
    expert.info.lora.rank = weights.a.size(0);
    expert.info.lora.alpha = weights.scale * static_cast<double>(weights.a.size(0));
    expert.modules[nb::cast<std::string>(path)] = std::move(weights);
  }
  if (expert.modules.empty()) throw Error(ErrorKind::kInvalidArgument, "an expert has no modules");
  return expert;
}

ExpertLibrary open_library(const std::string& uri, bool create) {
  return create ? ExpertLibrary::open_or_create(uri) : ExpertLibrary::open(uri);
}

IfExists if_exists(bool replace) { return replace ? IfExists::kReplace : IfExists::kRefuse; }

}  // namespace

void bind_library(nb::module_& module) {
  nb::class_<Expert>(module, "Expert", "A LoRA adapter with what is known of its training.")
      .def(
          "__init__",
          [](Expert* self, const std::string& name, const nb::dict& modules,
             const std::vector<std::string>& tasks, const std::string& base_model) {
            new (self) Expert(expert_of(name, modules, tasks, base_model));
          },
          nb::arg("name"), nb::arg("modules"), nb::arg("tasks") = std::vector<std::string>(),
          nb::arg("base_model") = "",
          "modules: path -> (A (rank, in), B (out, rank), scale); arrays on the CPU, whose memory is used\n"
          "where it is float32 and contiguous.")
      .def_prop_rw(
          "name", [](const Expert& expert) { return expert.info.name; },
          [](Expert& expert, const std::string& name) { expert.info.name = name; })
      .def_prop_ro(
          "config", [](const Expert& expert) { return info_of(expert.info); },
          "Name, tasks, base_model, rank, alpha, training (its settings) and metrics.")
      .def_prop_ro("modules", &weights_of,
                   "path -> (A (rank, in), B (out, rank), scale); float32 arrays over the expert's memory.")
      .def(
          "save",
          [](const Expert& expert, const std::filesystem::path& directory) {
            save_expert(expert, directory);
          },
          nb::arg("directory"), nb::call_guard<nb::gil_scoped_release>(),
          "Writes a PEFT adapter (adapter_config.json, adapter_model.safetensors) and expert.json.")
      .def_static("load", &load_expert, nb::arg("directory"), nb::call_guard<nb::gil_scoped_release>(),
                  "Reads a PEFT LoRA adapter, of Quiver's or of anybody's.")
      .def_prop_ro("digest", &expert_digest, nb::call_guard<nb::gil_scoped_release>(),
                   "SHA-256 of the weights.")
      .def("__repr__", [](const Expert& expert) {
        return "Expert('" + expert.info.name + "', rank " + std::to_string(expert.info.lora.rank) + ", " +
               std::to_string(expert.modules.size()) + " modules)";
      });

  nb::class_<ExpertLibrary>(module, "ExpertLibrary",
                            "A folder of experts that many processes may read and write at once.")
      .def(
          "__init__",
          [](ExpertLibrary* self, const std::string& uri, bool create) {
            new (self) ExpertLibrary(open_library(uri, create));
          },
          nb::arg("uri"), nb::arg("create") = false, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("uri", &ExpertLibrary::uri)
      .def_prop_ro("names", &ExpertLibrary::names, "Sorted names of the experts.")
      .def("__len__", [](const ExpertLibrary& library) { return library.names().size(); })
      .def("__iter__", [](const ExpertLibrary& library) { return nb::iter(nb::cast(library.names())); })
      .def("__contains__", &ExpertLibrary::contains, nb::arg("name"))
      .def("__getitem__", &ExpertLibrary::load, nb::arg("name"), nb::call_guard<nb::gil_scoped_release>(),
           "Reads one expert, whole.")
      .def(
          "config",
          [](const ExpertLibrary& library, const std::string& name) { return info_of(library.info(name)); },
          nb::arg("name"), "What lib[name].config says, without reading the weights.")
      .def(
          "add",
          [](ExpertLibrary& library, const Expert& expert, bool replace) {
            library.add(expert, if_exists(replace));
          },
          nb::arg("expert"), nb::arg("replace") = false, nb::call_guard<nb::gil_scoped_release>())
      .def("remove", &ExpertLibrary::remove, nb::arg("name"), nb::call_guard<nb::gil_scoped_release>())
      .def("rename", &ExpertLibrary::rename, nb::arg("old"), nb::arg("new"),
           nb::call_guard<nb::gil_scoped_release>())
      .def(
          "clone",
          [](const ExpertLibrary& library, const std::string& uri, bool replace) {
            ExpertLibrary destination = ExpertLibrary::open_or_create(uri);
            library.clone_to(destination, if_exists(replace));
            return destination;
          },
          nb::arg("uri"), nb::arg("replace") = false, nb::call_guard<nb::gil_scoped_release>(),
          "Copies every expert with its artefacts, and returns the library there.")
      .def(
          "verify",
          [](const ExpertLibrary& library) {
            std::vector<std::pair<std::string, std::string>> findings;
            for (const VerifyFinding& finding : library.verify())
              findings.emplace_back(finding.expert, finding.problem);
            return findings;
          },
          nb::call_guard<nb::gil_scoped_release>(),
          "Each problem found, as (expert, sentence); empty: all is well.")
      .def("__repr__", [](const ExpertLibrary& library) { return "ExpertLibrary('" + library.uri() + "')"; });
}

}  // namespace quiver::python
