#include <cstdlib>
#include <iostream>
#include <set>

#include "core/json.h"
#include "golden_conversations.h"

// What tests/parity/check_chat_templates.py wrote; skipped where $QUIVER_PARITY_DATA is not set.
namespace quiver {
namespace {

// Where llama.cpp's engine is not jinja2: `x not in y` with an undefined x fails, None is printed as nothing,
// the repr of a text keeps its newlines, `| e` escapes nothing, `| string` of an object is empty.
const std::set<std::string> kKnownDifferences = {
    "Apriel-1.6-15b-Thinker-fixed, hostile_tools",
    "Cohere2MoE, tool_calls",
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use, tool_calls",
    "google-gemma-4-31B-it, tool_calls",
    "google-gemma-4-31B-it-interleaved, tool_calls",
    "meetkai-functionary-medium-v3.1, tool_calls",
    "meetkai-functionary-medium-v3.1, tools",
    "openbmb-MiniCPM5-1B, tool_calls",
    "unsloth-Apriel-1.5, hostile_tools",
};

// What differs from transformers in one conversation; empty: nothing.
std::string difference(const ChatTemplate& chat, const ChatRequest& request, const OrderedJson& wanted) {
  try {
    const std::string text = chat.render(request);
    if (wanted.contains("error")) return "should be refused: " + wanted.at("error").get<std::string>();
    const auto expected = wanted.at("text").get<std::string>();
    if (text == expected) return "";
    const auto at = std::ranges::mismatch(text, expected).in1 - text.begin();
    const auto from = static_cast<std::size_t>(std::max<std::ptrdiff_t>(at - 20, 0));
    return Json({text.substr(from, 60), expected.substr(from, 60)})
        .dump(-1, ' ', false, Json::error_handler_t::replace);
  } catch (const Error& error) {
    const std::string message = error.what();
    if (wanted.contains("error") && message.find("refuses the conversation") != std::string::npos) return "";
    return message;
  }
}

TEST(ChatTemplateParity, TemplatesOfManyFamilies) {
  const char* folder = std::getenv("QUIVER_PARITY_DATA");
  if (folder == nullptr) GTEST_SKIP() << "QUIVER_PARITY_DATA is not set";
  const auto data =
      OrderedJson::parse(read_file(std::filesystem::path(folder) / "chat_templates.json", 64 << 20));
  const auto tokenizer = test::golden_tokenizer(data.at("config"));
  std::size_t pairs = 0;
  std::set<std::string> different;
  for (const auto& [path, results] : data.at("results").items()) {
    const auto chat = ChatTemplate::from_file(path, tokenizer);
    for (const auto& [name, wanted] : results.items()) {
      ++pairs;
      const ChatRequest request = test::golden_request(data.at("conversations").at(name));
      const std::string found = difference(*chat, request, wanted);
      if (found.empty()) continue;
      const std::string pair = std::filesystem::path(path).stem().string() + ", " + name;
      different.insert(pair);
      std::cout << pair << ": " << found << "\n";
    }
  }
  std::cout << pairs << " pairs of " << data.at("results").size() << " templates, " << different.size()
            << " different\n";
  EXPECT_GE(pairs, 1000u);
  EXPECT_EQ(different, kKnownDifferences);
}

}  // namespace
}  // namespace quiver
