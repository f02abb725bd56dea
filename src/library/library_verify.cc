#include <functional>

#include "expert/expert_files.h"
#include "library/artefact_file.h"
#include "quiver/error.h"
#include "quiver/library.h"
#include "storage/layout.h"
#include "storage/names.h"
#include "storage/snapshot.h"

namespace fs = std::filesystem;

namespace quiver {
namespace {

// What is wrong with the folder of one expert, one sentence each.
std::vector<std::string> find_problems(const fs::path& expert) {
  std::vector<std::string> problems;
  const auto attempt = [&](const std::function<void()>& check) {
    try {
      check();
      return true;
    } catch (const Error& e) {
      problems.emplace_back(e.what());
      return false;
    }
  };
  std::string digest;
  if (!attempt([&] { digest = expert_digest(load_expert(expert)); })) return problems;
  if (fs::exists(expert / kExpertRecordFile)) {
    attempt([&] { check_weights_digest(expert); });
  } else {
    problems.emplace_back("it has no expert.json: it was not added through the library");
  }
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(expert / kArtefactFolder, none)) {
    if (entry.path().extension() != ".safetensors") continue;
    const std::string kind = entry.path().stem().string();
    attempt([&] {
      if (fits_weights(read_artefact_file(entry.path()), digest)) return;
      problems.emplace_back("artefact '" + kind + "' was made from other weights");
    });
  }
  return problems;
}

}  // namespace

std::vector<VerifyFinding> ExpertLibrary::verify(const std::string& name) const {
  require_valid_name(name, "expert name");
  std::vector<std::string> problems;
  read_snapshot(root_ / name, [&] { problems = find_problems(expert_path(name)); });
  std::vector<VerifyFinding> findings;
  for (std::string& problem : problems) findings.push_back({name, std::move(problem)});
  return findings;
}

std::vector<VerifyFinding> ExpertLibrary::verify() const {
  std::vector<VerifyFinding> findings;
  try {
    check_manifest(root_, uri_);
  } catch (const Error& e) {
    findings.push_back({"", e.what()});
  }
  for (const std::string& name : names()) {
    try {
      for (VerifyFinding& finding : verify(name)) findings.push_back(std::move(finding));
    } catch (const Error& e) {
      // Removed since it was listed: nothing is wrong.
      if (e.kind() != ErrorKind::kNotFound) findings.push_back({name, e.what()});
    }
  }
  return findings;
}

}  // namespace quiver
