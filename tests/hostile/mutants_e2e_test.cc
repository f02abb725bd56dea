// Seeded mutants of every format that the program reads, each given to the program itself. Whatever a file
// holds, a command ends with status 0, or with 1 and one clear line that names the file; it never crashes,
// hangs or asks for memory without end. QUIVER_MUTANTS is how many a format (200), QUIVER_MUTANT_SEED where
// to begin.

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "core/json.h"
#include "hostile/forked_program.h"
#include "hostile/mutant.h"
#include "hostile/parquet_rows.h"
#include "support/test_support.h"

namespace quiver {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

struct Format {
  std::string name;
  std::string file;     // in the scratch folder: what is mutated
  Arguments arguments;  // of the command that reads it there
  std::string output;   // a folder or file that the command makes, removed before every run
};

// What googletest writes of a format.
void PrintTo(const Format& format, std::ostream* out) { *out << format.file; }

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

Arguments words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

std::vector<Format> formats() {
  const std::string score = " --input pairs.jsonl";
  const std::string routed = "score base --library library --router ";
  const auto adapter = [](const std::string& name, const std::string& file) {
    return Format{name, "adapter/" + file, words("library import adapter imported"), "imported"};
  };
  return {
      {"config", "base/config.json", words("score base" + score), {}},
      {"safetensors", "base/model.safetensors", words("score base" + score), {}},
      {"tokenizer", "base/tokenizer.json", words("score base" + score), {}},
      {"tokenizer_config", "base/tokenizer_config.json", words("score base" + score), {}},
      {"generation_config",
       "base/generation_config.json",
       words("generate base --max-new-tokens 2 --prompt x"),
       {}},
      {"added_tokens", "base/added_tokens.json", words("score base" + score), {}},
      {"shards", "sharded/model.safetensors.index.json", words("score sharded" + score), {}},
      {"gguf", "llama.gguf", words("score llama.gguf" + score), {}},
      {"gguf_sentencepiece", "gemma.gguf", words("tokenize gemma.gguf --input texts.jsonl"), {}},
      adapter("adapter_config", "adapter_config.json"),
      adapter("adapter_weights", "adapter_model.safetensors"),
      {"pickle", "pickled/adapter_model.bin", words("library import pickled imported"), "imported"},
      {"mttl_checkpoint", "mttl/expert_0.ckpt", words("library import mttl imported"), "imported"},
      {"mttl_record", "mttl/expert_0.meta", words("library import mttl imported"), "imported"},
      {"mttl_model", "mttl_model/mttl_weights.bin", words("library import mttl_model imported"), "imported"},
      {"library", "library/library.json", words("library show library"), {}},
      {"expert_record", "library/taste/expert.json", words(routed + "oracle" + score), {}},
      {"expert_weights", "library/taste/adapter_model.safetensors", words(routed + "uniform" + score), {}},
      {"artefact",
       "library/taste/artefacts/arrow.safetensors",
       words(routed + "arrow --top-k 2" + score),
       {}},
      {"composed", "composed_arrow/quiver_model.json", words("score composed_arrow" + score), {}},
      {"composed_weights", "composed_arrow/experts.safetensors", words("score composed_arrow" + score), {}},
      {"pairs", "pairs.jsonl", words("score base" + score), {}},
      {"task_rows", "tasks.jsonl", words("train -c experiment.json -k total_steps=1 -k library_id=trained"),
       "trained"},
      {"parquet", "rows.parquet",
       words("train -c experiment.json -k dataset=rows.parquet -k total_steps=1 -k library_id=trained"),
       "trained"},
      {"experiment", "experiment.json", words("eval rouge base --limit 1 -c experiment.json"), {}},
      {"clusters", "clusters.json",
       words("train -c experiment.json -k finetune_task_path=clusters.json -k total_steps=1 -k "
             "library_id=trained"),
       "trained"},
      {"checkpoint", "output/checkpoints/taste.safetensors",
       words("train -c experiment.json --resume -k finetune_task_name=taste -k total_steps=60 -k "
             "library_id=trained"),
       "trained"},
      {"task_definition", "capitals.json", words("eval capitals.json base --data capitals.jsonl"), {}},
      {"benchmark_rows", "capitals.jsonl", words("eval capitals.json base --data capitals.jsonl"), {}},
      {"results", "results.json", words("plot results.json --out plot.svg"), "plot.svg"},
      {"measures", "measures.json", words("report measures.json --out page.html"), "page.html"},
      {"routing", "measures.json", words("plot measures.json --heat-map --out heat.svg"), "heat.svg"},
  };
}

class Mutants : public testing::TestWithParam<Format> {
 protected:
  // One folder for all formats, as version 0.1.0 and the golden scripts left their files.
  Mutants() {
    const auto copy = [&](const fs::path& from, const std::string& to) {
      fs::copy(from, scratch_ / to, fs::copy_options::recursive);
    };
    copy(test::source_directory() / "tests/fixtures/v1", "");
    copy(test::golden_path("tiny_llama"), "base");
    copy(test::golden_path("tiny_llama"), "tiny_llama");
    copy(test::golden_path("tiny_llama_sharded"), "sharded");
    copy(test::golden_path("families/llama3.gguf"), "llama.gguf");
    copy(test::golden_path("families/gemma3_old.gguf"), "gemma.gguf");
    copy(test::golden_path("peft_adapters/patterns"), "adapter");
    copy(test::golden_path("peft_adapters/pickled"), "pickled");
    fs::create_directory(scratch_ / "mttl");
    for (const auto& entry : fs::directory_iterator(test::golden_path("mttl_library"))) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("expert_0."))
        fs::copy(entry.path(), scratch_ / "mttl" / name);  // others are broken
    }
    copy(test::golden_path("mttl_model"), "mttl_model");
    write("base/generation_config.json", R"({"bos_token_id": 0, "eos_token_id": [0, 5], "max_length": 64})");
    write("base/added_tokens.json", R"({"<tool>": 320, "<call>": 321})");
    write("texts.jsonl", "{\"text\": \"a cat\"}\n");
    write("capitals.json", R"({"name": "capitals", "split": "test", "prompt": "Capital of {country}:",
      "choices": ["{right}", "{wrong}"], "gold": "label", "metrics": ["acc", "acc_norm"], "main_metric": "acc"})");
    write("capitals.jsonl", R"({"country": "Peru", "right": "Lima", "wrong": "Oslo", "label": 0})"
                            "\n"
                            R"({"country": "Mali", "right": "Bamako", "wrong": "Rome", "label": 0})"
                            "\n");
    write("measures.json", R"({"base": "b", "machine": {"cores": 2, "cpu": "x"}, "quiver": "0.1.0", "rows": [
      {"combine": "output", "library": "l", "metric": "rougeL", "n": 2, "name": "arrow", "per_task": {"eels": 30, "maps": 40},
       "router": "arrow", "seconds": 1.5, "tokens": 12, "top_k": 2, "value": 35, "share_of_oracle": 0.5, "share_low": 0.25,
       "share_high": 0.75, "routing": {"abstained": 0.25, "accuracy": 0.5, "entropy": 0.7, "expert_p": 0.4,
       "weights": {"eels": {"fish": 0.5, "rivers": 0.25}, "maps": {"rivers": 1.0}}}}], "samples": [
      {"answers": [{"row": 0, "score": 66.5, "text": "a fish", "tokens": [["Class", "fish"], [" of", ""]]}],
       "prompt": "Class of an eel:", "target": "fish", "task": "eels"}]})");
    fs::create_directories(scratch_ / "output/checkpoints");
    fs::rename(scratch_ / "checkpoint.safetensors", scratch_ / "output/checkpoints/taste.safetensors");
    Json model = read_json_file(scratch_ / "composed_arrow/quiver_model.json");
    model["base"]["path"] = (scratch_ / "base").string();
    write("composed_arrow/quiver_model.json", dump_json(model));
    test::write_parquet_rows(scratch_ / "rows.parquet");
  }

  void write(const std::string& file, const std::string& bytes) { write_file_atomic(scratch_ / file, bytes); }

  test::ForkedResult run() {
    const Format& format = GetParam();
    if (!format.output.empty()) fs::remove_all(scratch_ / format.output);
    return test::run_forked(format.arguments, scratch_.path());
  }

  // What is wrong with how a command ended; "" where all is well.
  std::string fault(const test::ForkedResult& result) const {
    if (result.end == "exit 0") {
      const bool number_missing =
          result.out.find("\":null") != std::string::npos || result.out.find("nan") != std::string::npos;
      return number_missing ? "not a number in " + result.out : "";
    }
    if (result.end != "exit 1") return result.end;
    std::vector<std::string> errors;
    std::istringstream lines(result.err);
    for (std::string line; std::getline(lines, line);)
      if (!line.starts_with("quiver: ") || line.starts_with("quiver: error: ")) errors.push_back(line);
    if (errors.size() != 1 || !errors[0].starts_with("quiver: error: ")) return "not one line of ours";
    const auto is_control = [](unsigned char c) { return c < 32 || c == 127; };
    if (std::any_of(errors[0].begin(), errors[0].end(), is_control)) return "control characters";
    return names_the_file(errors[0]) ? "" : "names no file";
  }

  // The file itself, its folder, what messages call it by, or another file of the command: a vector of huge
  // numbers in one shows when the texts of another are run.
  bool names_the_file(const std::string& line) const {
    const fs::path file = GetParam().file;
    Arguments names;
    for (const std::string& argument : GetParam().arguments)
      if (fs::exists(scratch_ / argument)) names.push_back(argument);
    names.push_back(file.filename().string());
    names.push_back(file.begin()->string());
    names.push_back("'" + file.stem().string() + "' of expert");
    names.push_back("the config");
    return std::ranges::any_of(names,
                               [&](const std::string& name) { return line.find(name) != std::string::npos; });
  }

  test::ScratchDirectory scratch_;
};

TEST_P(Mutants, EndWithAResultOrOneClearLine) {
  const Format& format = GetParam();
  const std::string original = read_file(scratch_ / format.file, 64 << 20);
  const test::ForkedResult whole = run();
  // The file as it is must be read.
  ASSERT_EQ(whole.end, "exit 0") << whole.err;
  ASSERT_EQ(fault(whole), "");
  const std::uint64_t count = number_of("QUIVER_MUTANTS", 200), first = number_of("QUIVER_MUTANT_SEED", 0);
  std::uint64_t refused = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    write(format.file, test::Mutator(seed).mutate(original));
    const test::ForkedResult result = run();
    if (result.end == "exit 1") ++refused;
    const std::string problem = fault(result);
    EXPECT_EQ(problem, "") << format.name << ", seed " << seed << ": " << result.err.substr(0, 1000);
  }
  EXPECT_GT(refused, 0U) << "no mutant was noticed";
}

INSTANTIATE_TEST_SUITE_P(Formats, Mutants, testing::ValuesIn(formats()),
                         [](const auto& format) { return format.param.name; });

}  // namespace
}  // namespace quiver
