#include <gtest/gtest.h>

#include "text/text_beginning.h"
#include "tokenizer_file.h"

// What stands around a text: post-processors of a tokenizer.json, GGUF's flags, and the setting `bos`.
namespace quiver {
namespace {

using Ids = std::vector<std::int32_t>;

Json with(const Json& post_processor) {
  Json file = test::byte_tokenizer();
  file["post_processor"] = post_processor;
  return file;
}

Json special(const std::string& name) { return {{"SpecialToken", {{"id", name}, {"type_id", 0}}}}; }
const Json kText = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};

Json template_of(const Json& single) {
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"special_tokens", {{"<s>", {{"ids", {1, 2}}}}, {"</s>", {{"ids", {3}}}}}}};
}

TEST(PostProcessor, TemplatesPutIdsAroundTheText) {
  const TextFrame frame =
      test::tokenizer_from(with(template_of({special("<s>"), kText, special("</s>")})))->frame();
  EXPECT_EQ(frame.before, (Ids{1, 2}));
  EXPECT_EQ(frame.after, (Ids{3}));
  EXPECT_TRUE(test::tokenizer_from(with(nullptr))->frame().before.empty());
}

// RobertaProcessing and BertProcessing put [CLS] before and [SEP] after; the steps of a Sequence wrap one
// another.
TEST(PostProcessor, SequencesWrap) {
  const Json bert = {{"type", "BertProcessing"}, {"cls", {"[CLS]", 4}}, {"sep", {"[SEP]", 5}}};
  Json roberta = bert;
  roberta["type"] = "RobertaProcessing";
  for (const Json& step : {bert, roberta}) {
    const TextFrame frame =
        test::tokenizer_from(
            with({{"type", "Sequence"},
                  {"processors", {{{"type", "ByteLevel"}}, template_of({special("<s>"), kText}), step}}}))
            ->frame();
    EXPECT_EQ(frame.before, (Ids{4, 1, 2}));
    EXPECT_EQ(frame.after, (Ids{5}));
  }
}

TEST(PostProcessor, RefusesWhatItCannotRead) {
  const auto refusal = [](const Json& post_processor) {
    return test::error_message([&] { test::tokenizer_from(with(post_processor)); });
  };
  const auto expect = [&](const Json& post_processor, const std::string& part) {
    EXPECT_NE(refusal(post_processor).find(part), std::string::npos) << refusal(post_processor);
  };
  expect({{"type", "Magic"}}, "post-processor 'Magic' is not supported | known: TemplateProcessing");
  expect(template_of({special("<x>"), kText}), "names '<x>', which its 'special_tokens' lack");
  expect(template_of({kText, kText}), "does not hold the text once");
  expect(template_of(Json::array()), "does not hold the text once");
  expect({{"type", "TemplateProcessing"}}, "'single' of the post-processor is not a list");
  expect({{"type", "BertProcessing"}, {"cls", "x"}}, "'cls' of the post-processor is not a token and its id");
  expect({{"type", "BertProcessing"}, {"cls", {"x", -1}}}, "token 'x' has id -1, which is outside");
}

Ids before(const Tokenizer& tokenizer, BeginOfText setting, const std::string& text) {
  const TextBeginning beginning(tokenizer, setting, 9);
  const auto ids = beginning.before(text);
  return {ids.begin(), ids.end()};
}

GgufVocabulary small_llama() {
  return {.model = "llama",
          .tokens = {"<unk>", "<s>", "</s>", "a"},
          .token_types = {2, 3, 3, 1},
          .scores = {0, 0, 0, 0}};
}

// llama.cpp: SentencePiece vocabularies begin with token 1 where no key says otherwise, byte-level ones do
// not, but those of Llama 3.
TEST(GgufFrame, HasTheDefaultsOfLlamaCpp) {
  GgufVocabulary llama = small_llama();
  EXPECT_EQ(Tokenizer::from_vocabulary(llama)->frame().before, (Ids{1}));
  llama.bos_id = 3;
  EXPECT_EQ(Tokenizer::from_vocabulary(llama)->frame().before, (Ids{3}));
  llama.add_bos = false;
  EXPECT_TRUE(Tokenizer::from_vocabulary(llama)->frame().before.empty());
  llama.add_eos = true;
  EXPECT_EQ(Tokenizer::from_vocabulary(llama)->frame().after, (Ids{2}));

  GgufVocabulary bytes{.tokens = {"a", "b"}, .token_types = {1, 3}, .bos_id = 1};
  EXPECT_TRUE(Tokenizer::from_vocabulary(bytes)->frame().before.empty());
  bytes.pre = "llama-bpe";
  EXPECT_EQ(Tokenizer::from_vocabulary(bytes)->frame().before, (Ids{1}));
  bytes.pre = "gpt-2";
  bytes.add_bos = true;
  EXPECT_EQ(Tokenizer::from_vocabulary(bytes)->frame().before, (Ids{1}));
  bytes.bos_id = 2;
  EXPECT_EQ(test::error_message([&] { Tokenizer::from_vocabulary(bytes); }),
            "GGUF vocabulary: texts get a bos token (add_bos_token), but bos_token_id names none");
}

TEST(TextBeginning, FollowsTheSetting) {
  const auto adds = Tokenizer::from_vocabulary(small_llama());
  EXPECT_EQ(before(*adds, BeginOfText::kAuto, "a"), (Ids{1}));
  EXPECT_EQ(before(*adds, BeginOfText::kAlways, "a"), (Ids{1}));
  EXPECT_EQ(before(*adds, BeginOfText::kNever, "a"), Ids{});
  EXPECT_EQ(before(*adds, BeginOfText::kAuto, "<s>a"), Ids{});  // it begins with it already
  EXPECT_EQ(before(*adds, BeginOfText::kAuto, " <s>a"), (Ids{1}));

  GgufVocabulary plain = small_llama();
  plain.add_bos = false;
  EXPECT_EQ(before(*Tokenizer::from_vocabulary(plain), BeginOfText::kAuto, "a"), Ids{});
  EXPECT_EQ(before(*Tokenizer::from_vocabulary(plain), BeginOfText::kAlways, "a"), (Ids{1}));
  EXPECT_EQ(TextBeginning(*Tokenizer::from_vocabulary(plain), BeginOfText::kNever, 9).of_empty_text(), 1);

  const auto nameless = test::tokenizer_from(test::byte_tokenizer());
  EXPECT_EQ(TextBeginning(*nameless, BeginOfText::kAuto, 9).of_empty_text(), 9);
  EXPECT_EQ(test::error_message([&] { before(*nameless, BeginOfText::kAlways, "a"); }),
            "bos is 'always', but the base model's tokenizer names no begin-of-text token");
}

// A text that goes on cannot end with end-of-text.
TEST(TextBeginning, RefusesWhatIsPutAfterTexts) {
  GgufVocabulary ended = small_llama();
  ended.add_eos = true;
  const auto tokenizer = Tokenizer::from_vocabulary(ended);
  EXPECT_EQ(
      test::error_message([&] { before(*tokenizer, BeginOfText::kAuto, "a"); }),
      "the base model's tokenizer puts '</s>' after every text (its post-processor, or add_eos_token) | "
      "--bos always or never (key `bos` of a config) leaves it out");
  EXPECT_EQ(before(*tokenizer, BeginOfText::kAlways, "a"), (Ids{1}));
}

}  // namespace
}  // namespace quiver
