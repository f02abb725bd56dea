#include "text/tokenizer_json.h"

#include "quiver/tokenizer.h"
#include "text/added_vocabulary.h"
#include "text/component_json.h"
#include "text/tokenizer_parts.h"
#include "text/tokenizer_settings.h"
#include "text/vocabulary_files.h"

namespace quiver {
namespace {

std::optional<std::int32_t> id_of(const Vocabulary& vocabulary, const std::string& content) {
  return content.empty() ? std::nullopt : vocabulary.id(content);
}

std::unique_ptr<const TokenizerParts> parts_of_json(Json file, const std::filesystem::path& folder,
                                                    const std::string& where) {
  const Json& model_section = section_of(file, "model");
  if (!model_section.is_object()) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'model' is missing", "is this a tokenizer.json?");
  }
  const std::vector<AddedToken> own = read_added_tokens(section_of(file, "added_tokens"), where);
  const TokenizerSettings settings = read_tokenizer_settings(folder, file, own);
  apply_prefix_space(settings, file);
  auto [pre_tokenizer, byte_level] = read_pre_tokenizer(section_of(file, "pre_tokenizer"), where);
  auto [vocabulary, model] = read_model(model_section, byte_level, where);
  AddedVocabulary added(vocabulary);
  added.add(own, where);
  for (const TokenizerSettings::Source& source : settings.added) added.add(source.tokens, source.where);
  const auto bos = id_of(vocabulary, settings.bos_token), eos = id_of(vocabulary, settings.eos_token);
  std::unique_ptr<TokenizerParts> parts = make_tokenizer_parts(
      std::move(vocabulary), added.tokens(), read_normalizer(section_of(file, "normalizer"), where),
      std::move(pre_tokenizer), std::move(model), read_decoder(section_of(file, "decoder"), where));
  parts->frame = read_post_processor(section_of(file, "post_processor"), where);
  parts->bos_id = bos;
  parts->eos_id = eos;
  parts->named_tokens = settings.named_tokens;
  return parts;
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::from_file(const std::filesystem::path& tokenizer_json) {
  const std::filesystem::path folder = tokenizer_json.parent_path();
  if (!std::filesystem::exists(tokenizer_json)) {
    if (std::optional<Json> file = json_of_vocabulary_files(folder))
      return std::make_shared<const Tokenizer>(parts_of_json(*std::move(file), folder, folder.string()));
  }
  return std::make_shared<const Tokenizer>(
      parts_of_json(read_json_file(tokenizer_json, kMaxTokenizerBytes), folder, tokenizer_json.string()));
}

}  // namespace quiver
