#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/vocabulary.h"

namespace quiver {

// The added tokens of a tokenizer while they come together from several files. Ids and flags are those that
// `tokenizers` 0.23 ends with (AddedVocabulary::add_tokens): a text that the vocabulary has keeps its id, a
// new one gets the next id whatever its file says; the flags of the last entry of a text count, but once
// special it stays so.
class AddedVocabulary {
 public:
  // `vocabulary` holds the model's tokens. Borrowed; gets the new ones.
  explicit AddedVocabulary(Vocabulary& vocabulary)
      : vocabulary_(vocabulary), model_tokens_(static_cast<std::int32_t>(vocabulary.count())) {}

  // Adds the tokens that `where` lists, whose `id` is what it says of them, -1 for nothing. One warning names
  // those that got another.
  void add(const std::vector<AddedToken>& tokens, const std::string& where);

  bool contains(const std::string& content) const { return latest_.contains(content); }

  // What is looked for in texts; a token whose entries differ in `normalized` is there twice.
  std::vector<AddedToken> tokens() const;

 private:
  std::int32_t place(const AddedToken& token, const std::string& where);

  Vocabulary& vocabulary_;
  std::int32_t model_tokens_;
  std::int32_t next_ = 0;                     // above all ids of added tokens
  std::map<std::string, AddedToken> latest_;  // by content
  std::set<std::string> special_contents_;
  std::vector<AddedToken> special_, plain_;  // entries in the order they are looked for
};

}  // namespace quiver
