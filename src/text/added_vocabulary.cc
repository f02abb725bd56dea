#include "text/added_vocabulary.h"

#include <algorithm>

#include "core/log.h"

namespace quiver {
namespace {

bool same_flags(const AddedToken& left, const AddedToken& right) {
  return left.special == right.special && left.normalized == right.normalized &&
         left.single_word == right.single_word && left.lstrip == right.lstrip && left.rstrip == right.rstrip;
}

}  // namespace

std::int32_t AddedVocabulary::place(const AddedToken& token, const std::string& where) {
  if (const auto known = vocabulary_.id(token.content)) return *known;
  std::int32_t id = std::max(next_, model_tokens_);
  // A vocabulary whose own ids have gaps: `tokenizers` would give one id to two tokens.
  if (vocabulary_.content(id) != nullptr) id = token.id >= 0 ? token.id : vocabulary_.size();
  vocabulary_.add(token.content, id, where);
  return id;
}

void AddedVocabulary::add(const std::vector<AddedToken>& tokens, const std::string& where) {
  std::string renumbered;
  std::size_t count = 0;
  for (AddedToken token : tokens) {
    if (token.content.empty()) continue;
    const std::int32_t wanted = token.id;
    token.id = place(token, where);
    next_ = std::max(next_, token.id + 1);
    if (wanted >= 0 && wanted != token.id && count++ == 0) {
      renumbered = "'" + token.content.substr(0, 200) + "' has id " + std::to_string(wanted) + " there and " +
                   std::to_string(token.id) + " here";
    }
    if (token.special && special_contents_.insert(token.content).second) special_.push_back(token);
    const auto known = latest_.find(token.content);
    if (known != latest_.end() && same_flags(known->second, token)) continue;
    if (!special_contents_.contains(token.content)) plain_.push_back(token);
    latest_[token.content] = std::move(token);
  }
  if (count == 0) return;
  log_warning(where + ": added token " + renumbered +
              (count > 1 ? ", and so have " + std::to_string(count - 1) + " more other ids" : "") +
              ": ids that leave gaps are numbered anew, as `tokenizers` does");
}

std::vector<AddedToken> AddedVocabulary::tokens() const {
  std::vector<AddedToken> result;
  for (const std::vector<AddedToken>* entries : {&special_, &plain_}) {
    for (const AddedToken& entry : *entries) {
      AddedToken token = latest_.at(entry.content);
      token.normalized = entry.normalized;
      token.special = special_contents_.contains(entry.content);
      result.push_back(std::move(token));
    }
  }
  return result;
}

}  // namespace quiver
