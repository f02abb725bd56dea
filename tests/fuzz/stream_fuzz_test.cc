// Tokens that a model may draw, as a reader of the server's events gets them: whatever bytes they stand for
// and wherever they cut characters and stop texts, the events are valid and their texts together those of
// the whole.

#include "core/json.h"
#include "fuzz/fuzz_runs.h"
#include "modular/streamed_text.h"
#include "server/answer_writer.h"
#include "support/test_support.h"
#include "text/utf8.h"

namespace quiver {
namespace {

using test::FuzzRandom;

// Byte-level, characters with bytes to fall back on, one that takes a space off the front, a SentencePiece's.
const std::vector<std::shared_ptr<const Tokenizer>>& tokenizers() {
  static const std::vector<std::shared_ptr<const Tokenizer>> all = [] {
    std::vector<std::shared_ptr<const Tokenizer>> read;
    for (const char* const name : {"tiny_llama/tokenizer.json", "tokenizer_kinds/gemma.json",
                                   "tokenizer_kinds/llama2_legacy.json", "tokenizer_kinds/qwen2.json"})
      read.push_back(Tokenizer::from_file(test::golden_path(name)));
    return read;
  }();
  return all;
}

// The data of each event, by the rules of the HTML standard, 9.2.6: lines end with \r\n, \n or \r, an empty
// one ends an event.
std::vector<std::string> events_of(const std::string& stream) {
  std::vector<std::string> events;
  std::string line, data;
  bool has_data = false;
  for (std::size_t i = 0; i < stream.size(); ++i) {
    if (stream[i] != '\n' && stream[i] != '\r') {
      line += stream[i];
      continue;
    }
    if (stream[i] == '\r' && i + 1 < stream.size() && stream[i + 1] == '\n') ++i;
    if (line.empty() && has_data) events.push_back(std::exchange(data, {}));
    if (line.empty()) has_data = false;
    if (line.starts_with("data: ")) {
      data += (has_data ? "\n" : "") + line.substr(6);
      has_data = true;
    }
    line.clear();
  }
  EXPECT_TRUE(line.empty() && !has_data) << "the last event has no end";
  return events;
}

// Broken bytes as U+FFFD, one for each maximal broken part.
std::string repaired(const std::string& bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Step step = utf8_step(bytes, at);
    append_utf8(text, step.code_point);
    at += step.length;
  }
  return text;
}

std::vector<std::int32_t> draw_ids(const Tokenizer& tokenizer, FuzzRandom& random) {
  std::vector<std::int32_t> ids;
  static const std::vector<std::string> texts = {
      "aé\U0001F600\u4e16x",          "<|im_end|> a", "  b\r\n", "The archer",
      "\u0085\u2028data: [DONE]\n\n", "\"\\\x7f"};
  while (ids.size() < 24 && !random.one_in(12)) {
    if (random.one_in(3)) {  // the parts of characters stand side by side
      const std::vector<std::int32_t> more = tokenizer.encode(random.of(texts)).ids;
      ids.insert(ids.end(), more.begin(), more.end());
    } else {
      ids.push_back(static_cast<std::int32_t>(random.below(static_cast<std::size_t>(tokenizer.size()) + 2)));
    }
  }
  return ids;
}

// Stop texts that are there, or nearly.
std::vector<std::string> draw_stops(const std::string& text, FuzzRandom& random) {
  std::vector<std::string> stops;
  for (std::size_t i = random.below(4); i > 0; --i) {
    std::string stop = "ab";
    if (!text.empty() && !random.one_in(4))
      stop = text.substr(random.below(text.size()), 1 + random.below(6));
    if (random.one_in(4)) stop += "x";
    stops.push_back(stop);
  }
  return stops;
}

// A sequence as the engine tells of it: some tokens an event, until a stop text or the end.
struct Told {
  std::vector<ChoicePart> parts;
  std::string text;  // of all of it, from its tokens at once
};

ShownToken shown_token(const Tokenizer& tokenizer, std::int32_t id, FuzzRandom& random) {
  ShownToken token{.bytes = tokenizer.decode(std::vector{id}), .logprob = {}};
  if (!random.one_in(8)) token.logprob = -static_cast<double>(random.below(100)) / 7;
  if (random.one_in(16)) token.logprob = -std::numeric_limits<double>::infinity();
  for (std::size_t i = random.below(4); i > 0; --i) {
    const auto other = static_cast<std::int32_t>(random.below(static_cast<std::size_t>(tokenizer.size())));
    token.top.emplace_back(tokenizer.decode(std::vector{other}), -1);
  }
  return token;
}

Told tell(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids,
          const std::vector<std::string>& stops, FuzzRandom& random) {
  Told told;
  StreamedText streamed(tokenizer, stops);
  std::vector<std::int32_t> run;
  std::optional<StopPlace> stop;
  ChoicePart part;
  for (const std::int32_t id : ids) {
    run.push_back(id);
    part.tokens.push_back(shown_token(tokenizer, id, random));
    stop = streamed.add(id);
    if (stop) break;
    if (random.one_in(3)) continue;
    part.text = streamed.take();
    told.parts.push_back(std::exchange(part, {}));
  }
  part.text = streamed.finish(run, stop);
  part.finish_reason = stop ? "stop" : "length";
  told.parts.push_back(part);
  told.text = continuation(tokenizer, run, stop, stops);
  return told;
}

// Where no special token is left out, a text ends with the first token that completes a stop text, before the
// earliest that it completes.
std::string expected_text(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids,
                          const std::vector<std::string>& stops) {
  for (std::size_t n = 1; n <= ids.size(); ++n) {
    const std::string text = tokenizer.decode(std::span(ids).first(n));
    std::size_t end = text.size();
    for (const std::string& stop : stops) end = std::min(end, text.find(stop));
    if (end < text.size() || n == ids.size()) return text.substr(0, end);
  }
  return {};
}

// The deltas' text, and the checks that each chunk must pass.
std::string read_events(const std::string& stream, bool is_chat) {
  const std::vector<std::string> events = events_of(stream);
  EXPECT_EQ(events.empty() ? "" : events.back(), "[DONE]");
  std::string text;
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    EXPECT_EQ(valid_utf8_prefix(events[i]), events[i].size());
    const Json json = Json::parse(events[i]);
    const Json& choice = json.at("choices").at(0);
    const Json& holder = is_chat ? choice.at("delta") : choice;
    text += holder.value(is_chat ? "content" : "text", "");
    EXPECT_EQ(choice.at("finish_reason").is_null(), i + 2 < events.size());
    EXPECT_EQ(holder.contains("role"), is_chat && i == 0);
  }
  return text;
}

// Each token of a completion stands at its place among the characters.
void check_offsets(const Told& told, const std::string& stream) {
  std::string before;
  std::vector<std::size_t> expected, found;
  for (const ChoicePart& part : told.parts) {
    for (const ShownToken& token : part.tokens) {
      std::size_t characters = 0;
      for (std::size_t at = 0; at < before.size(); at += utf8_step(before, at).length) ++characters;
      expected.push_back(characters);
      before += token.bytes;
      if (valid_utf8_prefix(before) != before.size()) return;  // what a broken part counts is free
    }
  }
  for (const std::string& event : events_of(stream)) {
    if (event == "[DONE]") continue;
    const Json logprobs = Json::parse(event).at("choices").at(0).at("logprobs");
    for (const Json& offset : logprobs.at("text_offset")) found.push_back(offset);
  }
  EXPECT_EQ(found, expected);
}

TEST(StreamFuzz, EventsTogetherAreTheWholeText) {
  test::fuzz(2'000, [](std::uint64_t seed) {
    FuzzRandom random(seed);
    const Tokenizer& tokenizer = *random.of(tokenizers());
    const std::vector<std::int32_t> ids = draw_ids(tokenizer, random);
    const std::vector<std::string> stops = draw_stops(tokenizer.decode(ids), random);
    const Told told = tell(tokenizer, ids, stops, random);
    if (std::ranges::none_of(ids, [&](std::int32_t id) { return tokenizer.is_special(id); })) {
      EXPECT_EQ(told.text, expected_text(tokenizer, ids, stops))
          << testing::PrintToString(ids) << testing::PrintToString(stops);
    }
    const bool is_chat = random.one_in(2), has_logprobs = random.one_in(2);
    const AnswerIdentity identity{"m\n\"", "print", has_logprobs};
    const std::unique_ptr<AnswerWriter> writer =
        is_chat ? chat_writer(identity) : completion_writer(identity);
    std::string stream;
    for (const ChoicePart& part : told.parts) {
      for (const Json& choice : writer->chunks(part))
        stream += event_text(answer_json(writer->chunk_head(), Json::array({choice})));
    }
    stream += kLastEvent;
    const std::string text = read_events(stream, is_chat);
    EXPECT_EQ(text, repaired(told.text)) << testing::PrintToString(ids) << testing::PrintToString(stops);
    if (!is_chat && has_logprobs) check_offsets(told, stream);
  });
}

}  // namespace
}  // namespace quiver
