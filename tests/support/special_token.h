#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/files.h"
#include "support/golden.h"

namespace quiver::test {

// tiny_llama, written to `directory`, where token `id` is a special one, spelled `content`.
inline std::shared_ptr<const BaseModel> with_special_token(const std::filesystem::path& directory,
                                                           std::int32_t id, const std::string& content) {
  std::filesystem::copy(golden_path("tiny_llama"), directory);
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all);
  Json tokenizer = read_json_file(directory / "tokenizer.json");
  const std::string old = golden_base("tiny_llama")->tokenizer().token_text(id);
  Json& model = tokenizer["model"];
  model["vocab"].erase(old);
  model["vocab"][content] = id;
  Json merges = Json::array();
  for (const Json& merge : model["merges"]) {  // those that the old token is part of go with it
    const std::string text = merge.is_string()
                                 ? merge.get<std::string>()
                                 : merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>();
    const std::size_t space = text.find(' ');
    const std::string left = text.substr(0, space), right = text.substr(space + 1);
    if (left != old && right != old && left + right != old) merges.push_back(merge);
  }
  model["merges"] = merges;
  tokenizer["added_tokens"].push_back({{"id", id},
                                       {"content", content},
                                       {"single_word", false},
                                       {"lstrip", false},
                                       {"rstrip", false},
                                       {"normalized", false},
                                       {"special", true}});
  write_file_atomic(directory / "tokenizer.json", dump_json(tokenizer));
  return BaseModel::load(directory);
}

}  // namespace quiver::test
