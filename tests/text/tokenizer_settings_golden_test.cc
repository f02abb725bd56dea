#include "core/files.h"
#include "core/json.h"
#include "quiver/tokenizer.h"
#include "support/test_support.h"

// The files beside a tokenizer.json, against AutoTokenizer of transformers on the same folders.
namespace quiver {
namespace {

std::optional<std::int32_t> id_of(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<std::int32_t>());
}

TEST(TokenizerSettingsGolden, GivesTheIdsOfTransformers) {
  const Json golden = read_json_file(test::golden_path("tokenizer_settings.json"));
  for (const auto& [name, wanted] : golden.at("cases").items()) {
    SCOPED_TRACE(name);
    const test::ScratchDirectory folder;
    Json file = read_json_file(test::golden_path("tiny_llama/tokenizer.json"));
    for (const auto& [key, value] : wanted.at("tokenizer").items()) file[key] = value;
    write_file_atomic(folder / "tokenizer.json", file.dump());
    for (const auto& [path, content] : wanted.at("files").items())
      write_file_atomic(folder / path, content.dump());
    const auto tokenizer = Tokenizer::from_file(folder / "tokenizer.json");
    for (std::size_t i = 0; i < golden.at("texts").size(); ++i) {
      const auto text = golden.at("texts").at(i).get<std::string>();
      EXPECT_EQ(tokenizer->encode(text).ids, wanted.at("ids").at(i).get<std::vector<std::int32_t>>()) << text;
    }
    EXPECT_EQ(tokenizer->bos_id(), id_of(wanted.at("bos")));
    EXPECT_EQ(tokenizer->eos_id(), id_of(wanted.at("eos")));
    EXPECT_TRUE(tokenizer->frame().before.empty() && tokenizer->frame().after.empty());
  }
}

}  // namespace
}  // namespace quiver
