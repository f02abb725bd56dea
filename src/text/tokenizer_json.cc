#include "text/tokenizer_json.h"

#include "quiver/tokenizer.h"
#include "text/component_json.h"
#include "text/tokenizer_parts.h"
#include "text/vocabulary_files.h"

namespace quiver {
namespace {

std::unique_ptr<const TokenizerParts> parts_of_json(const Json& file, const std::string& where) {
  const Json& model_section = section_of(file, "model");
  if (!model_section.is_object()) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'model' is missing", "is this a tokenizer.json?");
  }
  auto [pre_tokenizer, byte_level] = read_pre_tokenizer(section_of(file, "pre_tokenizer"), where);
  auto [vocabulary, model] = read_model(model_section, byte_level, where);
  std::vector<AddedToken> added = read_added_tokens(section_of(file, "added_tokens"), vocabulary, where);
  return make_tokenizer_parts(
      std::move(vocabulary), std::move(added), read_normalizer(section_of(file, "normalizer"), where),
      std::move(pre_tokenizer), std::move(model), read_decoder(section_of(file, "decoder"), where));
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::from_file(const std::filesystem::path& tokenizer_json) {
  if (!std::filesystem::exists(tokenizer_json)) {
    const std::filesystem::path folder = tokenizer_json.parent_path();
    if (const std::optional<Json> file = json_of_vocabulary_files(folder))
      return std::make_shared<const Tokenizer>(parts_of_json(*file, folder.string()));
  }
  return std::make_shared<const Tokenizer>(
      parts_of_json(read_json_file(tokenizer_json, kMaxTokenizerBytes), tokenizer_json.string()));
}

}  // namespace quiver
