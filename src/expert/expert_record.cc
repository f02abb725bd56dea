#include "expert/expert_record.h"

#include "expert/file_errors.h"

namespace quiver {
namespace {

constexpr std::int64_t kFormatVersion = 1;
constexpr std::uint64_t kMaxRecordBytes = 16 << 20;

LoraConfig parse_lora(const Json& json, const std::string& where) {
  const LoraConfig defaults;
  LoraConfig lora;
  lora.rank = json_require<std::int64_t>(json, "rank", where);
  lora.alpha = json_require<double>(json, "alpha", where);
  lora.dropout = json_value(json, "dropout", defaults.dropout, where);
  lora.modify_modules = json_value(json, "modify_modules", defaults.modify_modules, where);
  lora.modify_layers = json_value(json, "modify_layers", defaults.modify_layers, where);
  lora.init_b_random = json_value(json, "init_b_random", defaults.init_b_random, where);
  return lora;
}

ExpertRecord parse_record(const Json& json, const std::string& where) {
  const auto version = json_require<std::int64_t>(json, "format_version", where);
  if (version > kFormatVersion) {
    throw Error(ErrorKind::kUnsupported,
                where + ": format version " + std::to_string(version) + " is newer than this program's " +
                    std::to_string(kFormatVersion),
                "use a newer quiver");
  }
  ExpertRecord record;
  record.info.name = json_require<std::string>(json, "name", where);
  record.info.tasks = json_value(json, "tasks", std::vector<std::string>{}, where);
  record.info.base_model = json_value<std::string>(json, "base_model", "", where);
  record.info.base_fingerprint = json_value<std::string>(json, "base_fingerprint", "", where);
  record.info.lora = parse_lora(json_require<Json>(json, "lora", where), where + ": lora");
  record.info.training = json_value(json, "training", Json::object(), where);
  record.info.metrics = json_value(json, "metrics", Json::object(), where);
  record.weights_sha256 = json_value<std::string>(json, "weights_sha256", "", where);
  return record;
}

}  // namespace

ExpertRecord read_expert_record(const std::filesystem::path& path) {
  const Json json = read_json_file(path, kMaxRecordBytes);
  return blame_file([&] { return parse_record(json, path.string()); });
}

Json make_expert_record(const ExpertRecord& record) {
  const ExpertInfo& info = record.info;
  return {{"format_version", kFormatVersion},
          {"name", info.name},
          {"tasks", info.tasks},
          {"base_model", info.base_model},
          {"base_fingerprint", info.base_fingerprint},
          {"lora",
           {{"rank", info.lora.rank},
            {"alpha", info.lora.alpha},
            {"dropout", info.lora.dropout},
            {"modify_modules", info.lora.modify_modules},
            {"modify_layers", info.lora.modify_layers},
            {"init_b_random", info.lora.init_b_random}}},
          {"training", info.training},
          {"metrics", info.metrics},
          {"weights_sha256", record.weights_sha256}};
}

}  // namespace quiver
