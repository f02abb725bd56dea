#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/json.h"
#include "quiver/tokenizer.h"
#include "support/test_support.h"
#include "text/traced_text.h"

// What tests/parity/tokenizer_data.py writes, read and compared with.
namespace quiver::test {

// What came out of comparing one tokenizer with its reference.
struct Comparison {
  std::size_t texts = 0, tokens = 0;
  std::size_t unread = 0;  // texts without a reference
  std::size_t equal_spans = 0;
  std::size_t added_spans = 0;    // ours is empty: what the tokenizer put before the text
  std::size_t coarser_spans = 0;  // ours holds the reference's: the text was rewritten there
  std::size_t finer_spans = 0;   // the reference's holds ours: it gives each byte token all of what it spells
  std::size_t broken_texts = 0;  // byte tokens that form no character: the reference writes U+FFFD for each
  std::vector<std::string> different_ids, different_spans, different_texts;  // the texts
};

class ReferenceFolder {
 public:
  explicit ReferenceFolder(std::filesystem::path folder)
      : folder_(std::move(folder)), kinds_(read_json_file(folder_ / "kinds.json")) {
    for (const Json& line : lines_of(folder_ / "texts.jsonl")) {
      texts_.push_back(line.contains("hex") ? bytes_of_hex(line["hex"]) : line["text"].get<std::string>());
    }
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, files] : kinds_.items()) names.push_back(name);
    return names;
  }

  std::shared_ptr<const Tokenizer> tokenizer(const std::string& name) const {
    const auto path = folder_ / kinds_.at(name)["source"];
    const Json entries = read_json_file(path);
    if (entries["model"].is_object()) return Tokenizer::from_file(path);
    GgufVocabulary vocabulary{.model = entries["model"], .tokens = entries["tokens"]};
    vocabulary.token_types = entries["token_types"].get<std::vector<std::int32_t>>();
    if (vocabulary.model == "llama") {
      vocabulary.scores = entries["scores"].get<std::vector<double>>();
      vocabulary.add_space_prefix = entries["add_space_prefix"];
    } else {
      vocabulary.pre = entries["pre"];
      vocabulary.merges = entries["merges"].get<std::vector<std::string>>();
    }
    return Tokenizer::from_vocabulary(vocabulary);
  }

  Comparison compare(const std::string& name) const {
    const auto tokenizer = this->tokenizer(name);
    const std::vector<Json> expected = lines_of(folder_ / kinds_.at(name)["expected"]);
    Comparison result;
    for (; result.texts < std::min(expected.size(), texts_.size()); ++result.texts)
      compare_text(*tokenizer, texts_[result.texts], expected[result.texts], result);
    return result;
  }

  std::size_t size() const { return texts_.size(); }

  // Kinds with normalizers after which the reference's offsets are off: what Precompiled removes at the
  // beginning of a text shifts all that follows, and marks that NFKC reorders shift those beside them.
  static bool shifts_spans(const std::string& name) {
    return name == "t5" || name == "t5_metaspace" || name == "unigram_bytes";
  }

 private:
  static std::vector<Json> lines_of(const std::filesystem::path& path) {
    std::vector<Json> lines;
    std::istringstream content(read_file(path, std::uint64_t{1} << 30));
    for (std::string line; std::getline(content, line);) lines.push_back(parse_json(line, path.string()));
    return lines;
  }

  static std::string bytes_of_hex(const std::string& hex) {
    std::string bytes;
    for (std::size_t at = 0; at < hex.size(); at += 2)
      bytes += static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16));
    return bytes;
  }

  // The reference counts whole characters: a token that ends inside one covers all of it.
  static TextSpan widened(TextSpan span, const std::string& text) {
    const auto inside = [&](std::uint32_t at) {
      return at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
    };
    if (span.begin == span.end) return span;
    while (inside(span.begin)) --span.begin;
    while (inside(span.end)) ++span.end;
    return span;
  }

  static void compare_text(const Tokenizer& tokenizer, const std::string& text, const Json& expected,
                           Comparison& result) {
    if (expected.is_null()) {
      ++result.unread;
      return;
    }
    const Encoding encoding = tokenizer.encode(text);
    result.tokens += encoding.ids.size();
    if (Json(encoding.ids) != expected[0]) {
      result.different_ids.push_back(text);
      return;
    }
    compare_decoded(tokenizer, text, encoding.ids, expected, result);
    compare_spans(text, encoding.spans, expected[1], result);
  }

  static void compare_decoded(const Tokenizer& tokenizer, const std::string& text,
                              const std::vector<std::int32_t>& ids, const Json& expected,
                              Comparison& result) {
    const std::string readable = TracedText::repaired(text).bytes();
    const auto decoded = [&](SpecialTokens special) {
      return TracedText::repaired(tokenizer.decode(ids, special)).bytes();
    };
    const std::string whole = expected[2].is_null() ? readable : expected[2].get<std::string>();
    const std::string skipped = expected[3].is_null() ? whole : expected[3].get<std::string>();
    if (decoded(SpecialTokens::kKeep) == whole && decoded(SpecialTokens::kSkip) == skipped) return;
    if (replacements_in(whole) > replacements_in(readable)) {
      ++result.broken_texts;
    } else {
      result.different_texts.push_back(text);
    }
  }

  static std::size_t replacements_in(const std::string& text) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find("\uFFFD", at)) != std::string::npos; at += 3) ++count;
    return count;
  }

  static void compare_spans(const std::string& text, const std::vector<TextSpan>& spans, const Json& expected,
                            Comparison& result) {
    const auto steps = expected.get<std::vector<std::int32_t>>();
    if (steps.empty()) return;
    bool same = steps.size() == 2 * spans.size();
    std::int32_t place = 0;
    for (std::size_t i = 0; same && i < spans.size(); ++i) {
      const auto begin = static_cast<std::uint32_t>(place + steps[2 * i]);
      const std::uint32_t end = begin + static_cast<std::uint32_t>(steps[2 * i + 1]);
      place = static_cast<std::int32_t>(end);
      const TextSpan ours = widened(spans[i], text), theirs = widened({begin, end}, text);
      if (ours == theirs) {
        ++result.equal_spans;
      } else if (ours.begin == ours.end) {
        ++result.added_spans;
      } else if (ours.begin <= theirs.begin && theirs.end <= ours.end) {
        ++result.coarser_spans;
      } else if (theirs.begin <= ours.begin && ours.end <= theirs.end) {
        ++result.finer_spans;
      } else {
        same = false;
      }
    }
    if (!same) result.different_spans.push_back(text);
  }

  std::filesystem::path folder_;
  Json kinds_;
  std::vector<std::string> texts_;
};

}  // namespace quiver::test
