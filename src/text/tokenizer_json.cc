#include "text/tokenizer_json.h"

#include "quiver/tokenizer.h"
#include "text/component_json.h"
#include "text/tokenizer_parts.h"

namespace quiver {
namespace {

// Ten times the largest tokenizer.json known.
constexpr std::uint64_t kMaxFileBytes = 256ull << 20;

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::from_file(const std::filesystem::path& tokenizer_json) {
  const std::string where = tokenizer_json.string();
  const Json file = read_json_file(tokenizer_json, kMaxFileBytes);
  const Json& model_section = section_of(file, "model");
  if (!model_section.is_object()) {
    throw Error(ErrorKind::kCorruptFile, where + ": 'model' is missing", "is this a tokenizer.json?");
  }
  auto [pre_tokenizer, byte_level] = read_pre_tokenizer(section_of(file, "pre_tokenizer"), where);
  auto [vocabulary, model] = read_model(model_section, byte_level, where);
  std::vector<AddedToken> added = read_added_tokens(section_of(file, "added_tokens"), vocabulary, where);
  return std::make_shared<const Tokenizer>(make_tokenizer_parts(
      std::move(vocabulary), std::move(added), read_normalizer(section_of(file, "normalizer"), where),
      std::move(pre_tokenizer), std::move(model), read_decoder(section_of(file, "decoder"), where)));
}

}  // namespace quiver
