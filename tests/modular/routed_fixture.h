#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/files.h"
#include "quiver/library.h"
#include "quiver/routed_model.h"
#include "support/golden.h"
#include "tensor/safetensors.h"

namespace quiver::test {

// The experts of tests/golden/routed_experts.safetensors, expert_0 to expert_3. Expert i has the task
// task_i.
inline std::vector<Expert> golden_experts() {
  const Json description = golden_json("routed_logits.json");
  const SafetensorsFile file = SafetensorsFile::open(golden_path("routed_experts.safetensors"));
  std::vector<Expert> experts;
  for (const Json& entry : description.at("experts")) {
    Expert expert;
    expert.info.name = entry.at("name").get<std::string>();
    expert.info.tasks = {"task_" + std::to_string(experts.size())};
    expert.info.base_model = "tiny_llama";
    expert.info.base_fingerprint = golden_base("tiny_llama")->fingerprint();
    expert.info.lora.rank = entry.at("rank").get<std::int64_t>();
    expert.info.lora.alpha = entry.at("alpha").get<double>();
    expert.info.lora.modify_modules = ".*self_attn";
    expert.info.lora.modify_layers = "q_proj|k_proj|v_proj";
    for (const LinearSlot& slot : golden_base("tiny_llama")->slots()) {
      const std::string key = expert.info.name + "/" + slot.path;
      if (!file.contains(key + ".a")) continue;
      expert.modules[slot.path] = {file.read(key + ".a"), file.read(key + ".b"),
                                   expert.info.lora.alpha / static_cast<double>(expert.info.lora.rank)};
    }
    experts.push_back(std::move(expert));
  }
  return experts;
}

// The golden prototypes (`suffix` ".prototype") or gates (".gate") of one expert, as the artefact that a
// router reads.
inline Artefact golden_artefact(const Expert& expert, const std::string& suffix) {
  const SafetensorsFile file = SafetensorsFile::open(golden_path("routed_experts.safetensors"));
  Artefact artefact{.settings = Json::object(), .tensors = {}};
  for (const auto& [path, weights] : expert.modules) {
    artefact.tensors[path] = file.read(expert.info.name + "/" + path + suffix);
  }
  return artefact;
}

// A model under tests/golden/ whose tokenizer makes the given ids, each a letter, out of `text`: the golden
// ids are random, so no text gives them with the model's own tokenizer.
struct SpelledModel {
  std::shared_ptr<const BaseModel> base;
  std::string text;
};

inline SpelledModel spell(const std::string& model, const std::vector<std::int32_t>& ids) {
  const ScratchDirectory scratch;
  std::filesystem::copy(golden_path(model), scratch / "model");
  Json tokenizer = read_json_file(golden_path(model) / "tokenizer.json");
  auto vocabulary = tokenizer.at("model").at("vocab").get<std::map<std::string, std::int32_t>>();
  std::map<std::int32_t, std::string> token_of;
  for (const auto& [token, id] : vocabulary) token_of[id] = token;
  std::map<std::int32_t, std::string> letter_of;
  SpelledModel result;
  for (const std::int32_t id : ids) {
    if (!letter_of.contains(id)) {
      const std::string letter(1, static_cast<char>('a' + letter_of.size()));
      const std::int32_t old = vocabulary.at(letter);
      std::swap(vocabulary[letter], vocabulary[token_of.at(id)]);
      std::swap(token_of[id], token_of[old]);
      letter_of[id] = letter;
    }
    result.text += letter_of.at(id);
  }
  tokenizer["model"]["vocab"] = vocabulary;
  tokenizer["model"]["merges"] = Json::array();
  write_file_atomic(scratch / "model" / "tokenizer.json", dump_json(tokenizer));
  result.base = BaseModel::load(scratch / "model");
  return result;
}

// A scratch library of the golden experts with their prototypes and gates.
class GoldenLibrary {
 public:
  GoldenLibrary() : library_(ExpertLibrary::create((scratch_ / "library").string())) {
    for (const Expert& expert : golden_experts()) {
      library_.add(expert);
      library_.put_artefact(expert.info.name, "arrow", golden_artefact(expert, ".prototype"));
      library_.put_artefact(expert.info.name, "phatgoose", golden_artefact(expert, ".gate"));
    }
  }

  ExpertLibrary& library() { return library_; }
  const ExpertLibrary& library() const { return library_; }
  std::filesystem::path operator/(const std::string& name) const { return scratch_ / name; }

  RoutedModel compose(const RouterOptions& router) const {
    return RoutedModel::compose(golden_base("tiny_llama"), library_, router);
  }
  RoutedModel compose(const std::string& router) const { return compose(parse_router(router)); }

 private:
  ScratchDirectory scratch_;
  ExpertLibrary library_;
};

}  // namespace quiver::test
