// Thousands of damaged tokenizer.json: reading one, and using what was read, may succeed or throw
// quiver::Error, nothing else. The generator is seeded, so a failure names a mutation that can be made again.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "tokenizer_file.h"

namespace quiver {
namespace {

constexpr int kMutations = 4000;

// Every kind of section, with tokens few enough that a change hits something that matters.
std::vector<Json> whole_files() {
  const Json pieces = parse_json(R"({
    "added_tokens": [{"id": 9, "content": "<s>", "special": true, "normalized": true, "lstrip": true}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}, {"type": "Lowercase"},
      {"type": "Strip", "strip_left": true, "strip_right": true}, {"type": "Prepend", "prepend": "\u2581"},
      {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits"},
      {"type": "Split", "pattern": {"String": "b"}, "behavior": "MergedWithNext", "invert": false},
      {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": true}]},
    "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
      {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true, "ignore_merges": true,
      "vocab": {"<unk>": 0, "a": 1, "b": 2, "\u2581": 3, "\u2581a": 4, "<0xC3>": 5, "<0xA9>": 6, "ab": 7},
      "merges": [["\u2581", "a"], "a b"]}})",
                                 "test");
  Json unigram = pieces;
  unigram["model"] = parse_json(R"({"type": "Unigram", "unk_id": 0, "byte_fallback": true,
      "vocab": [["<unk>", 0], ["a", -1], ["\u2581a", -2.5], ["<0xC3>", 0], ["<0xA9>", 0]]})",
                                "test");
  unigram["decoder"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "always"}};
  Json bytes = pieces;
  bytes["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", true}};
  bytes["model"].erase("byte_fallback");
  bytes["decoder"] = {{"type", "ByteLevel"}};
  return {pieces, unigram, bytes};
}

// Changes one value somewhere below `node`: another kind of value, a hostile number, a copy of a neighbour,
// or none.
void mutate(Json& node, std::mt19937& random) {
  if (node.is_structured() && !node.empty() && random() % 8 != 0) {
    auto child = node.begin();
    std::advance(child, random() % node.size());
    if (random() % 12 == 0) {
      node.erase(child);
    } else if (random() % 12 == 0) {
      *child = *node.begin();
    } else {
      mutate(*child, random);
    }
    return;
  }
  static const std::vector<Json> kValues = {nullptr,
                                            true,
                                            false,
                                            0,
                                            -1,
                                            3,
                                            1e300,
                                            18446744073709551615ull,
                                            "",
                                            "a",
                                            "\u2581",
                                            "(",
                                            "[a",
                                            "(?<=a)b*",
                                            "BPE",
                                            "Unigram",
                                            "ByteLevel",
                                            "Sequence",
                                            "<0xC3>",
                                            Json::array(),
                                            Json::object(),
                                            Json::array({1, "a"}),
                                            Json::array({"a", "a"})};
  node = kValues[random() % kValues.size()];
}

TEST(MutationTest, TokenizerJson) {
  const std::string text = "<s> a ab  \u00e9x12 \xFF b\u0301\n" + std::string(50, 'a');
  const test::ScratchDirectory scratch;
  const std::filesystem::path path = scratch / "tokenizer.json";
  std::mt19937 random(20240607);
  int accepted = 0;
  for (int i = 0; i < kMutations; ++i) {
    static const std::vector<Json> files = whole_files();
    Json file = files[static_cast<std::size_t>(i) % files.size()];
    for (std::uint32_t change = 0; change < 1 + random() % 2; ++change) mutate(file, random);
    try {
      // Not written by rename and flushed, which is what most of the time would go to.
      std::ofstream(path, std::ios::trunc) << file.dump();
      const auto tokenizer = Tokenizer::from_file(path);
      const Encoding encoding = tokenizer->encode(text);
      tokenizer->decode(encoding.ids, SpecialTokens::kSkip);
      ++accepted;
      ASSERT_EQ(encoding.ids.size(), encoding.spans.size());
      for (const TextSpan& span : encoding.spans) {
        ASSERT_LE(span.begin, span.end) << file;
        ASSERT_LE(span.end, text.size()) << file;
      }
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()), "");
    } catch (const std::exception& error) {
      ADD_FAILURE() << "mutation " << i << ": " << error.what() << "\n" << file;
    }
  }
  EXPECT_GT(accepted, kMutations / 10);
  EXPECT_LT(accepted, kMutations * 9 / 10);
}

}  // namespace
}  // namespace quiver
