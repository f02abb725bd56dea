#include <gtest/gtest.h>

#include "tokenizer_file.h"

// Values from Hugging Face `tokenizers`; see tests/golden/make_tokenizer.py.
namespace quiver {
namespace {

// The reference counts whole characters: a token that ends inside one covers all of it.
Json widened(const std::vector<TextSpan>& spans, const std::string& text) {
  const auto inside = [&](std::uint32_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  Json result = Json::array();
  for (TextSpan span : spans) {
    while (inside(span.begin)) --span.begin;
    while (inside(span.end)) ++span.end;
    result.push_back({span.begin, span.end});
  }
  return result;
}

TEST(TokenizerGolden, GivesTheIdsAndSpansOfTheReference) {
  const Json golden = read_json_file(test::golden_path("tokenizer_small_golden.json"));
  const Json file = read_json_file(test::golden_path("tokenizer_small.json"));
  std::size_t compared = 0;
  for (const Json& test_case : golden["cases"]) {
    Json changed = file;
    for (const auto& [key, value] : test_case["overrides"].items()) {
      (key == "ignore_merges" ? changed["model"] : changed)[key] = value;
    }
    const auto tokenizer = test::tokenizer_from(changed);
    for (const auto& [name, expected] : test_case["outputs"].items()) {
      SCOPED_TRACE(test_case["name"].get<std::string>() + " / " + name);
      const auto text = golden["texts"][name].get<std::string>();
      const Encoding encoding = tokenizer->encode(text);
      EXPECT_EQ(Json(encoding.ids), expected["ids"]);
      if (expected.contains("spans")) {
        EXPECT_EQ(widened(encoding.spans, text), expected["spans"]);
      }
      ++compared;
    }
  }
  EXPECT_EQ(compared, 15u * 13u);
}

TEST(TokenizerGolden, DecodesWhatItEncoded) {
  const Json golden = read_json_file(test::golden_path("tokenizer_small_golden.json"));
  const auto tokenizer = Tokenizer::from_file(test::golden_path("tokenizer_small.json"));
  for (const auto& [name, text] : golden["texts"].items()) {
    if (name == "stripping") continue;  // <mask> swallows spaces
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text.get<std::string>()).ids), text) << name;
  }
}

TEST(TokenizerGolden, GgufVocabularyEqualsTheFile) {
  const Json file = read_json_file(test::golden_path("tokenizer_small.json"));
  const Json golden = read_json_file(test::golden_path("tokenizer_small_golden.json"));
  GgufVocabulary vocabulary;
  vocabulary.tokens.resize(603);
  for (const auto& [content, id] : file["model"]["vocab"].items()) vocabulary.tokens[id] = content;
  for (int id = 600; id < 603; ++id) vocabulary.tokens[id] = file["added_tokens"][id - 600]["content"];
  for (const Json& merge : file["model"]["merges"]) {
    vocabulary.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  vocabulary.token_types.assign(603, 1);
  for (int id = 600; id < 603; ++id) vocabulary.token_types[id] = 3;

  for (const Json& test_case : golden["cases"]) {
    if (!test_case["outputs"]["english"].contains("spans")) continue;
    vocabulary.pre = test_case["name"];
    const auto tokenizer = Tokenizer::from_vocabulary(vocabulary);
    for (const auto& [name, expected] : test_case["outputs"].items()) {
      // The file's other added tokens are not in the vocabulary.
      if (name == "stripping" || name == "spaces" || name == "code") continue;
      EXPECT_EQ(Json(tokenizer->encode(golden["texts"][name].get<std::string>()).ids), expected["ids"])
          << vocabulary.pre << " / " << name;
    }
  }
}

}  // namespace
}  // namespace quiver
