#include "core/log.h"
#include "model/families/family.h"
#include "model/quantization.h"
#include "model/unused_tensors.h"
#include "model/weight_source.h"
#include "tensor/checkpoint.h"
#include "tensor/file_problem.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

void add_ids(const Json& json, std::vector<std::int32_t>& ids, const std::string& where) {
  if (json.is_number_integer()) {
    const auto id = json.get<std::int64_t>();
    if (id != static_cast<std::int32_t>(id))
      throw Error(ErrorKind::kCorruptFile, where + ": 'eos_token_id' is " + dump_json(json));
    ids.push_back(static_cast<std::int32_t>(id));
  }
  if (json.is_array()) {
    for (const Json& element : json) add_ids(element, ids, where);
  }
}

// Every id that ends a text, from config.json and generation_config.json.
std::vector<std::int32_t> read_stop_ids(const fs::path& directory, const Json& config) {
  std::vector<std::int32_t> ids;
  if (config.contains("eos_token_id"))
    add_ids(config.at("eos_token_id"), ids, (directory / "config.json").string());
  const fs::path generation = directory / "generation_config.json";
  if (fs::exists(generation)) {
    const Json json = read_json_file(generation);
    if (json.is_object() && json.contains("eos_token_id"))
      add_ids(json.at("eos_token_id"), ids, generation.string());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// Whether config.json is that of a model with other inputs beside text, which nests its language model.
bool is_nested(const Json& config, const std::string& where) {
  return json_value<std::string>(config, "model_type", "", where) == "gemma3";
}

// The settings of the language model in config.json.
Json read_text_config(const fs::path& directory) {
  const fs::path path = directory / "config.json";
  Json config = read_json_file(path);
  if (!config.is_object()) throw Error(ErrorKind::kCorruptFile, path.string() + ": not a JSON object");
  refuse_quantization(config, path.string());
  if (!is_nested(config, path.string())) return config;
  Json text = json_require<Json>(config, "text_config", path.string());
  if (!text.is_object()) throw Error(ErrorKind::kCorruptFile, path.string() + ": 'text_config' is no object");
  text["model_type"] = "gemma3_text";
  text["tie_word_embeddings"] = json_value(config, "tie_word_embeddings", true, path.string());
  if (config.contains("eos_token_id")) text["eos_token_id"] = config.at("eos_token_id");
  return text;
}

class HuggingFaceSource : public WeightSource {
 public:
  explicit HuggingFaceSource(const fs::path& directory)
      : directory_(directory),
        json_(read_text_config(directory)),
        family_(find_family(
            json_value<std::string>(json_, "model_type", "", (directory / "config.json").string()),
            (directory / "config.json").string())),
        config_(family_.from_config(json_, (directory / "config.json").string())),
        checkpoint_(Checkpoint::open(directory)) {
    refuse_quantized_tensors(checkpoint_, directory);
    config_.stop_ids = read_stop_ids(directory, json_);
    const fs::path path = directory / "config.json";
    if (is_nested(read_json_file(path), path.string())) config_.decoder = "model.language_model";
  }

  std::string where() const override { return directory_.string(); }
  const DecoderConfig& config() const override { return config_; }
  const TensorNames& names() const override { return family_.names; }

  std::shared_ptr<const Tokenizer> tokenizer() const override {
    if (!tokenizer_) tokenizer_ = Tokenizer::from_file(directory_ / "tokenizer.json");
    return tokenizer_;
  }

  std::int32_t eos_id() const override {
    const std::optional<std::int32_t> named = tokenizer()->eos_id();
    if (named && *named < config_.vocabulary) return *named;
    if (config_.stop_ids.empty()) {
      throw Error(ErrorKind::kCorruptFile, directory_.string() + ": no end-of-text token is named",
                  "set eos_token_id in config.json");
    }
    return config_.stop_ids.front();
  }

  std::size_t tensor_count() const override { return checkpoint_.names().size(); }
  bool contains(const std::string& name) const override { return !stored_name(name).empty(); }

  at::Tensor read(const std::string& name) const override {
    const std::string stored = stored_name(name);
    check_weight_type(checkpoint_, stored, directory_);
    return checkpoint_.read(stored);
  }

  std::string hint_for_missing(const std::string& name) const override {
    if (name != names().head + ".weight") return "";
    return "where the head is the embedding, set \"tie_word_embeddings\": true in config.json";
  }

  void check_unused(const std::set<std::string>& used) const override {
    std::set<std::string> stored;
    for (const std::string& name : used) stored.insert(stored_name(name));
    std::vector<std::string> unused;
    for (const std::string& name : checkpoint_.names()) {
      if (!stored.contains(name)) unused.push_back(name);
    }
    for (const std::string& warning : describe_unused(unused, config_, names())) {
      log_warning(directory_.string() + ": " + warning);
    }
  }

 private:
  // Checkpoints of the bare model leave out the first part of every name ("model.", "transformer."); those of
  // a model with other inputs put another before it. Empty where the file has no such tensor.
  std::string stored_name(const std::string& name) const {
    const std::string without_prefix = name.substr(name.find('.') + 1);
    for (const std::string& stored :
         {name, without_prefix, "language_model." + name, "model.language_model." + without_prefix}) {
      if (checkpoint_.contains(stored)) return stored;
    }
    // Of two that are one, a file may keep either.
    const bool is_embedding = config_.tied_head && name == names().embedding;
    return is_embedding ? stored_name(names().head + ".weight") : "";
  }

  fs::path directory_;
  Json json_;
  const Family& family_;
  DecoderConfig config_;
  Checkpoint checkpoint_;
  mutable std::shared_ptr<const Tokenizer> tokenizer_;  // read when first asked for
};

}  // namespace

std::unique_ptr<WeightSource> open_hugging_face(const fs::path& directory) {
  return std::make_unique<HuggingFaceSource>(directory);
}

std::unique_ptr<WeightSource> open_weight_source(const fs::path& path) {
  constexpr std::size_t kPathBytes = 1000;
  std::error_code problem;
  const fs::file_status status = fs::status(path, problem);
  if (fs::is_directory(status)) return open_hugging_face(path);
  if (fs::is_regular_file(status)) return open_gguf(path);
  if (problem && problem != std::errc::no_such_file_or_directory)
    throw Error(ErrorKind::kIo,
                "cannot read '" + printable(path.string(), kPathBytes) + "': " + problem.message());
  throw Error(ErrorKind::kNotFound, "no base model at '" + printable(path.string(), kPathBytes) + "'",
              "give a Hugging Face directory, a .gguf file, or a name that `quiver fetch` knows");
}

}  // namespace quiver
