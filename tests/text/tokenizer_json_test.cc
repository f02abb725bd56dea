#include <gtest/gtest.h>

#include "tokenizer_file.h"

// Files that must be refused, and what the message must say.
namespace quiver {
namespace {

std::string refusal(const Json& file) {
  return test::error_message([&] { test::tokenizer_from(file); });
}

void expect_refusal(const Json& file, const std::string& part) {
  EXPECT_NE(refusal(file).find(part), std::string::npos) << refusal(file);
}

Json with(const std::string& pointer, const Json& value) {
  Json file = test::byte_tokenizer();
  file[Json::json_pointer(pointer)] = value;
  return file;
}

TEST(TokenizerJson, NamesKindsItDoesNotKnow) {
  expect_refusal(with("/model/type", "WordPiece"),
                 "model 'WordPiece' is not supported | known: BPE, Unigram");
  expect_refusal(with("/pre_tokenizer", {{"type", "BertPreTokenizer"}}),
                 "pre-tokenizer 'BertPreTokenizer' is not supported");
  expect_refusal(with("/normalizer", {{"type", "BertNormalizer"}}), "normalizer 'BertNormalizer'");
  expect_refusal(with("/decoder", {{"type", "WordPiece"}}), "decoder 'WordPiece'");
  expect_refusal(with("/model/byte_fallback", true), "'byte_fallback' = true");
  expect_refusal(with("/model/dropout", 0.5), "'dropout' = 0.5");
  expect_refusal(with("/model/end_of_word_suffix", "</w>"), "'end_of_word_suffix' = \"</w>\"");
  const Json byte_level = {{"type", "ByteLevel"}};
  expect_refusal(with("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {byte_level, byte_level}}}),
                 "pre-tokenizer after ByteLevel");
}

TEST(TokenizerJson, RefusesIdsThatCannotBe) {
  expect_refusal(with("/model/vocab/h", -1), "token 'h' has id -1, which is outside 0..4194303");
  expect_refusal(with("/model/vocab/h", 1'000'000'000), "which is outside");
  expect_refusal(with("/model/vocab/h", 18446744073709551615ull), "which is outside");
  expect_refusal(with("/model/vocab/h", 1.5), "an id that is no integer: 1.5");
  expect_refusal(with("/model/vocab/h", "7"), "an id that is no integer: \"7\"");
  expect_refusal(with("/model/vocab/new", 7), "has id 7, which");
  expect_refusal(with("/added_tokens/0/id", 2'000'000'000), "which is outside");
}

TEST(TokenizerJson, RefusesMergesThatCannotBe) {
  expect_refusal(with("/model/merges", {"h x", "he l"}),
                 "merge 'h x' needs token 'hx', which is not in the vocabulary");
  expect_refusal(with("/model/merges", {"h"}), "merge 'h' is not two tokens");
  expect_refusal(with("/model/merges", {"h e l"}), "merge 'h e l' is not two tokens");
  expect_refusal(with("/model/merges", Json::array({Json::array({"h", "e", "l"})})), "is not two tokens");
  expect_refusal(with("/model/merges", Json::array({7})), "merge 7 is not two tokens");
  expect_refusal(with("/model/merges", nullptr), "'merges' is not a list");
}

// A whole tokenizer.json over characters: "a", "b", "▁", "▁a" and "a b" by merges, "<unk>".
Json character_tokenizer() {
  return parse_json(R"({"pre_tokenizer": null, "decoder": null, "model": {"type": "BPE", "unk_token": "<unk>",
      "vocab": {"<unk>": 0, "a": 1, "b": 2, "\u2581": 3, "\u2581a": 4, " ": 5, "a ": 6},
      "merges": [["\u2581", "a"], ["a", " "]]}})",
                    "test");
}

Json unigram_tokenizer() {
  return parse_json(R"({"pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": null,
      "model": {"unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.5], ["ab", -2]]}})",
                    "test");
}

std::vector<std::int32_t> ids(const Json& file, const std::string& text) {
  return test::tokenizer_from(file)->encode(text).ids;
}

TEST(TokenizerJson, WithoutByteLevelTokensAreCharacters) {
  EXPECT_EQ(ids(character_tokenizer(), "ba\u2581ax"), (std::vector<std::int32_t>{2, 1, 4, 0}));
  // A merge given as an array may have spaces in its tokens.
  EXPECT_EQ(ids(character_tokenizer(), "a b"), (std::vector<std::int32_t>{6, 2}));
  EXPECT_EQ(test::tokenizer_from(character_tokenizer())->decode(std::vector<std::int32_t>{1, 2}), "a b");
}

TEST(TokenizerJson, ReadsOldMetaspaces) {
  Json file = character_tokenizer();
  file["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"str_rep", "\u2581"}};
  EXPECT_EQ(ids(file, "a a"), (std::vector<std::int32_t>{4, 4}));
  file["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(ids(file, "a a"), (std::vector<std::int32_t>{4, 4}));
  file["pre_tokenizer"]["add_prefix_space"] = false;
  EXPECT_EQ(ids(file, "a a"), (std::vector<std::int32_t>{1, 4}));
  file["pre_tokenizer"]["prepend_scheme"] = "first";
  expect_refusal(file, "prepend_scheme 'first' but add_prefix_space false");
  file["pre_tokenizer"]["prepend_scheme"] = "last";
  expect_refusal(file, "prepend_scheme 'last' is not supported | known: first, always, never");
  file["pre_tokenizer"]["replacement"] = "ab";
  expect_refusal(file, "'replacement' is not one character: 'ab'");
  file["pre_tokenizer"].erase("replacement");
  expect_refusal(file, "'replacement' is missing");
}

TEST(TokenizerJson, ReadsUnigramsWithoutAType) {
  EXPECT_EQ(ids(unigram_tokenizer(), "ab\n a xab"), (std::vector<std::int32_t>{2, 1, 0, 2}));
}

TEST(TokenizerJson, RefusesUnigramsThatCannotBe) {
  const auto unigram = [](const std::string& key, const Json& value) {
    Json file = unigram_tokenizer();
    file["model"][key] = value;
    return file;
  };
  expect_refusal(unigram("unk_id", nullptr), "model setting 'unk_id' = null is not supported");
  expect_refusal(unigram("unk_id", 3), "'unk_id' 3 is not among the 3 tokens");
  expect_refusal(unigram("unk_id", -1), "'unk_id' -1 is not among the 3 tokens");
  expect_refusal(unigram("unk_id", 0.5), "an id that is no integer: 0.5");
  expect_refusal(unigram("vocab", Json::array()), "'vocab' holds no tokens");
  expect_refusal(unigram("vocab", Json::array({Json::array({"a"})})), "[\"a\"] is not a token and its score");
  expect_refusal(unigram("vocab", Json::array({Json::array({"a", "b"})})), "is not a token and its score");
  expect_refusal(unigram("vocab", Json::array({Json::array({"a", 0}), Json::array({"a", 1})})),
                 "had 0 before");
  expect_refusal(unigram("type", "BPE"), "'vocab' holds no tokens");
}

TEST(TokenizerJson, RefusesStepsThatCannotBe) {
  expect_refusal(with("/normalizer", {{"type", "Prepend"}}), "'prepend' is missing");
  expect_refusal(with("/normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}}),
                 "'content' is missing");
  expect_refusal(with("/normalizer", {{"type", "Replace"}, {"content", ""}}),
                 "neither Regex nor String: null");
  expect_refusal(with("/normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", "???"}}),
                 "is not base64");
  expect_refusal(with("/decoder", {{"type", "Strip"}, {"content", " "}, {"start", 5000}, {"stop", 0}}),
                 "'start' of a Strip is 5000");
  expect_refusal(with("/decoder", {{"type", "Strip"}, {"content", ""}, {"start", 1}, {"stop", 0}}),
                 "'content' is not one character: ''");
  expect_refusal(with("/decoder", {{"type", "Sequence"}}), "a Sequence lacks 'decoders'");
  expect_refusal(with("/decoder", {{"type", "Sequence"}, {"decoders", {{{"type", "CTC"}}}}}),
                 "decoder 'CTC'");
}

TEST(TokenizerJson, LongTextsWithoutWordsAreNotQuadratic) {
  Json file = character_tokenizer();
  file["model"]["vocab"]["aa"] = 7;
  file["model"]["merges"].push_back(Json::array({"a", "a"}));
  EXPECT_EQ(ids(file, std::string(1'000'000, 'a')).size(), 500'000u);
}

TEST(TokenizerJson, RefusesFilesThatAreSomethingElse) {
  EXPECT_NE(
      test::error_message([] { test::tokenizer_from(std::string("{\"model\":")); }).find("not valid JSON"),
      std::string::npos);
  expect_refusal(Json::array(), "'model' is missing | is this a tokenizer.json?");
  expect_refusal(with("/model/vocab", Json::object()), "'vocab' holds no tokens");
  expect_refusal(with("/model/vocab", {1, 2}), "'vocab' holds no tokens");
  expect_refusal(with("/added_tokens", 3), "'added_tokens' is not a list");
  expect_refusal(with("/added_tokens", Json::array({3})), "'content' is missing");
  expect_refusal(with("/added_tokens/0/content", std::string(2000, 'x')), "has 2000 bytes, more than 1024");
  expect_refusal(with("/added_tokens/0/special", "yes"), "'special' has the wrong type: \"yes\"");
  expect_refusal(with("/model/unk_token", "<unk>"), "unk_token '<unk>' is not in the vocabulary");
  expect_refusal(with("/pre_tokenizer", {{"type", "Split"}, {"pattern", 3}, {"behavior", "Isolated"}}),
                 "neither Regex nor String: 3");
  expect_refusal(
      with("/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"String", "a"}}}, {"behavior", "Cut"}}),
      "Split behavior 'Cut'");
  expect_refusal(
      with("/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}}),
      "'(a' does not compile");
  Json nested = {{"type", "ByteLevel"}};
  for (int i = 0; i < 80; ++i) nested = {{"type", "Sequence"}, {"pretokenizers", Json::array({nested})}};
  expect_refusal(with("/pre_tokenizer", nested), "nested too deep");
  EXPECT_NE(test::error_message([] { Tokenizer::from_file("/nowhere/tokenizer.json"); }).find("/nowhere"),
            std::string::npos);
}

TEST(TokenizerJson, ReadsOldFiles) {
  Json file = test::byte_tokenizer();
  file["model"].erase("type");
  file["model"]["merges"] = {"#version: 0.2", "h e", "he l"};
  EXPECT_EQ(test::tokenizer_from(file)->encode("hel").ids, (std::vector<std::int32_t>{257}));
}

TEST(TokenizerJson, OfTwoMergesForOnePairTheLaterCounts) {
  Json file = test::byte_tokenizer();
  file["model"]["vocab"]["el"] = 300;
  file["model"]["merges"] = {"h e", "e l", "h e"};
  EXPECT_EQ(test::tokenizer_from(file)->encode("hel").ids, (std::vector<std::int32_t>{'h', 300}));
}

TEST(TokenizerJson, BytesWithoutATokenAreDroppedOrUnknown) {
  Json file = test::byte_tokenizer();
  file["model"]["vocab"].erase("x");
  EXPECT_EQ(test::tokenizer_from(file)->encode("hxx").ids, (std::vector<std::int32_t>{'h'}));
  file["model"]["unk_token"] = "hel";
  EXPECT_EQ(test::tokenizer_from(file)->encode("hxx").ids, (std::vector<std::int32_t>{'h', 257, 257}));
  file["model"]["fuse_unk"] = true;
  EXPECT_EQ(test::tokenizer_from(file)->encode("hxx").ids, (std::vector<std::int32_t>{'h', 257}));
}

}  // namespace
}  // namespace quiver
