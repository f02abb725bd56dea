#include "text/decoder.h"

#include "core/strings.h"
#include "text/byte_alphabet.h"
#include "text/byte_tokens.h"

namespace quiver {
namespace {

using Tokens = std::vector<std::string>;

template <typename Rewrite>
DecodeStep each_token(Rewrite rewrite) {
  return [rewrite = std::move(rewrite)](Tokens tokens) {
    for (std::string& token : tokens) token = rewrite(token);
    return tokens;
  };
}

std::string replaced(const Regex& pattern, const std::string& content, const std::string& text) {
  std::string result;
  std::size_t done = 0;
  for (const Regex::Match& match : pattern.find_all(text)) {
    result.append(text, done, match.begin - done).append(content);
    done = match.end;
  }
  return result.append(text, done);
}

}  // namespace

std::string Decoder::decode(std::vector<std::string> tokens) const {
  for (const DecodeStep& step : steps_) tokens = step(std::move(tokens));
  return join(tokens, separator_);
}

DecodeStep decode_byte_alphabet() {
  return [](const Tokens& tokens) {
    std::string bytes;
    for (const std::string& token : tokens) bytes += bytes_of_token(token).value_or(token);
    return Tokens{std::move(bytes)};
  };
}

DecodeStep decode_byte_tokens() {
  return each_token([](const std::string& token) {
    const auto byte = byte_of_token(token);
    return byte ? std::string(1, static_cast<char>(*byte)) : token;
  });
}

DecodeStep decode_replaced(Regex pattern, std::string content) {
  return each_token([pattern = std::move(pattern), content = std::move(content)](const std::string& token) {
    return replaced(pattern, content, token);
  });
}

DecodeStep decode_fused() {
  return [](const Tokens& tokens) { return Tokens{join(tokens, "")}; };
}

DecodeStep decode_stripped(std::string character, std::size_t left, std::size_t right) {
  return each_token([character = std::move(character), left, right](std::string token) {
    for (std::size_t i = 0; i < left && token.starts_with(character); ++i) token.erase(0, character.size());
    for (std::size_t i = 0; i < right && token.ends_with(character); ++i)
      token.resize(token.size() - character.size());
    return token;
  });
}

DecodeStep decode_metaspace(std::string replacement, FirstSpace first) {
  return [pattern = Regex::literal(replacement), first](Tokens tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replaced(pattern, i == 0 && first == FirstSpace::kDrop ? "" : " ", tokens[i]);
    return tokens;
  };
}

}  // namespace quiver
