// `quiver library` and `quiver cluster`.

#include <set>

#include "e2e/program_test.h"

namespace quiver {
namespace {

using LibraryCommand = test::ProgramTest;

TEST_F(LibraryCommand, ImportListShowRenameRemove) {
  const std::string adapter = test::quote(test::golden_path("tiny_llama_expert"));
  for (const char* name : {"second", "first"})
    run_ok("library import " + adapter + " " + arg("library") + " --name " + name);
  EXPECT_EQ(run_ok("library ls local://" + path("library").string()), "first\nsecond\n");

  const Json shown = Json::parse(run_ok("library show " + arg("library") + " first"));
  const Json config =
      Json::parse(test::content(test::golden_path("tiny_llama_expert") / "adapter_config.json"));
  EXPECT_EQ(shown.at("name"), "first");
  EXPECT_EQ(shown.at("rank"), config.at("r"));
  EXPECT_EQ(shown.at("alpha"), config.at("lora_alpha"));

  const test::ProgramResult twice = run("library import " + adapter + " " + arg("library") + " --name first");
  EXPECT_EQ(twice.status, 1);
  EXPECT_NE(twice.err.find("quiver: error: "), std::string::npos) << twice.err;
  run_ok("library import " + adapter + " " + arg("library") + " --name first --force");

  run_ok("library rename " + arg("library") + " first third");
  EXPECT_EQ(run_ok("library ls " + arg("library")), "second\nthird\n");
  run_ok("library rm " + arg("library") + " second");
  EXPECT_EQ(run_ok("library ls " + arg("library")), "third\n");
}

TEST_F(LibraryCommand, ExportWritesTheWeightsThatWereImported) {
  const std::filesystem::path adapter = test::golden_path("tiny_llama_expert");
  run_ok("library import " + test::quote(adapter) + " " + arg("library") + " --name one");
  run_ok("library export " + arg("library") + " one " + arg("exported"));
  EXPECT_EQ(test::content(path("exported") / "adapter_model.safetensors"),
            test::content(adapter / "adapter_model.safetensors"));
  // What was exported can be imported again.
  run_ok("library import " + arg("exported") + " " + arg("other"));
  EXPECT_EQ(run_ok("library verify " + arg("other")), "1 experts verified\n");
}

TEST_F(LibraryCommand, ImportsFromMttlAndNamesWhatItCannotTake) {
  const test::ProgramResult result =
      run("library import " + test::quote(test::golden_path("mttl_library")) + " " + arg("library"));
  EXPECT_EQ(result.status, 1) << "two of its files are broken or of another kind";
  EXPECT_EQ(result.out, "3 experts imported, 2 artefacts\n");
  EXPECT_NE(result.err.find("left out: expert_0.svdembeddingtransformconfig-9b2ba348.bin"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("broken.meta: not a file of torch.save"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("the adapter 'SkilledLoRAConfig' is not supported"), std::string::npos)
      << result.err;
  EXPECT_EQ(run_ok("library ls " + arg("library")), "expert_0\nexpert_1\ntied\n");
  EXPECT_EQ(run_ok("library verify " + arg("library")), "3 experts verified\n");
  // The prototypes that came along route.
  run_ok("library rm " + arg("library") + " expert_1");
  run_ok("library rm " + arg("library") + " tied");
  const Json route = Json::parse(
      run_ok("route " + base() + " --library " + arg("library") + " --router arrow --prompt Hello"));
  EXPECT_EQ(route.at("experts"), (Json{"expert_0"}));

  run_ok("library import " + test::quote(test::golden_path("mttl_library") / "expert_1.ckpt") + " " +
         arg("library") + " --name second");
  EXPECT_EQ(run_ok("library ls " + arg("library")), "expert_0\nsecond\n");
}

TEST_F(LibraryCommand, ExportsForMttl) {
  const std::string adapter = test::quote(test::golden_path("tiny_llama_expert"));
  for (const char* name : {"one", "two"})
    run_ok("library import " + adapter + " " + arg("library") + " --name " + name);
  run_ok("library export " + arg("library") + " " + arg("all") + " --format mttl");
  run_ok("library export " + arg("library") + " two " + arg("single") + " --format mttl");
  EXPECT_EQ(run_ok("library import " + arg("all") + " " + arg("first")), "2 experts imported, 0 artefacts\n");
  EXPECT_EQ(run_ok("library import " + arg("single") + " " + arg("second")),
            "1 experts imported, 0 artefacts\n");
  EXPECT_EQ(run_ok("library ls " + arg("second")), "two\n");
  EXPECT_EQ(Json::parse(run_ok("library show " + arg("second") + " two")),
            Json::parse(run_ok("library show " + arg("library") + " two")));
  EXPECT_EQ(run("library export " + arg("library") + " " + arg("all") + " --format mttl").status, 1)
      << "the folder is not empty";
  EXPECT_EQ(run("library export " + arg("library") + " " + arg("other")).status, 2)
      << "a PEFT folder holds one expert";
  EXPECT_EQ(run("library export " + arg("library") + " one " + arg("other") + " --format gguf").status, 2);
}

TEST_F(LibraryCommand, CloneCopiesEveryExpert) {
  train("colour,taste");
  run_ok("library clone " + arg("library") + " " + arg("copy"));
  EXPECT_EQ(run_ok("library show " + arg("copy")), run_ok("library show " + arg("library")));
  EXPECT_EQ(run("library clone " + arg("library") + " " + arg("copy")).status, 1);
  run_ok("library clone --force " + arg("library") + " " + arg("copy"));
}

TEST_F(LibraryCommand, VerifyNamesADamagedExpert) {
  train("colour,taste");
  EXPECT_EQ(run_ok("library verify " + arg("library")), "2 experts verified\n");
  const test::CommandResult damage = test::run_command(
      "f=$(find " + arg("library") +
      " -path '*taste*' -name adapter_model.safetensors); printf 'x' | dd of=\"$f\" bs=1 conv=notrunc "
      "seek=$(($(stat -c %s \"$f\") - 1)) status=none");
  ASSERT_EQ(damage.status, 0) << damage.output;
  const test::ProgramResult all = run("library verify " + arg("library"));
  EXPECT_EQ(all.status, 1);
  EXPECT_EQ(all.out.rfind("taste: ", 0), 0u) << all.out;
  EXPECT_NE(all.err.find("quiver: error: 1 problems in local://"), std::string::npos) << all.err;
  EXPECT_EQ(run_ok("library verify " + arg("library") + " colour"), "1 experts verified\n");
}

TEST_F(LibraryCommand, AnUnknownExpertIsAnErrorWithTheNearestName) {
  run_ok("library create " + arg("library"));
  train("colour,taste");
  for (const char* command : {"show", "rm", "verify"}) {
    const test::ProgramResult result =
        run(std::string("library ") + command + " " + arg("library") + " color");
    EXPECT_EQ(result.status, 1);
    EXPECT_NE(result.err.find("'color'"), std::string::npos) << result.err;
    EXPECT_NE(result.err.find("'colour'"), std::string::npos) << result.err;
  }
}

TEST_F(LibraryCommand, ClusterPutsEveryTaskIntoOneCluster) {
  train();
  run_ok("cluster " + arg("library") + " --k 2 --sparsity 0.5 --out " + arg("clusters.json"));
  const Json clusters = Json::parse(test::content(path("clusters.json")));
  EXPECT_EQ(clusters.size(), 2u);
  std::multiset<std::string> tasks;
  for (const auto& [name, members] : clusters.items()) {
    EXPECT_EQ(name.rfind("cluster_", 0), 0u) << name;
    for (const Json& task : members) tasks.insert(task.get<std::string>());
  }
  EXPECT_EQ(tasks, (std::multiset<std::string>{"colour", "number", "taste"}));
  EXPECT_EQ(Json::parse(run_ok("cluster " + arg("library") + " --k 2 --sparsity 0.5")), clusters);

  // The file is what `train` takes for one expert a cluster.
  Json config = experiment();
  config["library_id"] = path("by_cluster").string();
  config["finetune_task_path"] = path("clusters.json").string();
  config["total_steps"] = 2;
  run_ok("train " + config_option(config));
  EXPECT_EQ(run_ok("library ls " + arg("by_cluster")), "cluster_0\ncluster_1\n");

  const test::ProgramResult too_many = run("cluster " + arg("library") + " --k 4");
  EXPECT_EQ(too_many.status, 1);
  EXPECT_NE(too_many.err.find("4"), std::string::npos) << too_many.err;
}

TEST_F(LibraryCommand, MergeAddsAnExpert) {
  const std::string adapter = test::quote(test::golden_path("tiny_llama_expert"));
  for (const char* name : {"one", "two"})
    run_ok("library import " + adapter + " " + arg("library") + " --name " + name);
  run_ok("merge " + arg("library") + " --method ties --density 0.5 --name joined");
  const Json shown = Json::parse(run_ok("library show " + arg("library") + " joined"));
  EXPECT_EQ(shown.at("training").at("merge").at("method"), "ties");
  EXPECT_EQ(shown.at("training").at("merge").at("experts"), (Json{"one", "two"}));
  run_ok("merge " + arg("library") + " --method subtract --experts one --general two --name less");
  const Json less = Json::parse(run_ok("library show " + arg("library") + " less"));
  EXPECT_EQ(less.at("training").at("merge").at("weights"), (Json{1.0, -1.0}));
  const test::ProgramResult all =
      run("merge " + arg("library") + " --method subtract --general two --name no");
  EXPECT_EQ(all.status, 1);
  EXPECT_NE(all.err.find("subtract needs --experts, the one expert to subtract from"), std::string::npos);
  run_ok("merge " + arg("library") + " --name mean --experts two --to " + arg("other"));
  EXPECT_EQ(run_ok("library ls " + arg("other")), "mean\n");
  const test::ProgramResult twice = run("merge " + arg("library") + " --name joined");
  EXPECT_EQ(twice.status, 1);
  EXPECT_NE(twice.err.find("has an expert 'joined' already (give another --name)"), std::string::npos)
      << twice.err;
}

// Arrow as PEFT runs it needs PEFT's prototypes.
TEST_F(LibraryCommand, CompatRoutesWithPrototypesOfItsOwn) {
  const std::string adapter = test::quote(test::golden_path("tiny_llama_expert"));
  for (const char* name : {"one", "two", "three"})
    run_ok("library import " + adapter + " " + arg("library") + " --name " + name);
  const std::string model =
      test::quote(test::golden_path("tiny_llama")) + " --library " + arg("library") + " --router arrow";
  run_ok("prototypes arrow " + arg("library"));
  const test::ProgramResult missing = run("route " + model + " --compat peft --prompt hello");
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("has no arrow_peft prototypes"), std::string::npos) << missing.err;
  run_ok("prototypes arrow " + arg("library") + " --compat peft");
  const Json routed = Json::parse(run_ok("route " + model + " --compat peft --prompt hello"));
  EXPECT_EQ(routed.at("slots").begin()->at(0).size(), 3u);  // its top 3
  const test::ProgramResult absent =
      run("generate " + test::quote(test::golden_path("tiny_llama")) + " --library " + arg("library") +
          " --router uniform --compat peft --prompt hello");
  EXPECT_NE(absent.err.find("peft has no router 'uniform'"), std::string::npos) << absent.err;
}

TEST_F(LibraryCommand, NewNamesHoldNoComma) {
  const std::string adapter = test::quote(test::golden_path("tiny_llama_expert"));
  const std::string import = "library import " + adapter + " " + arg("named") + " --name ";
  const std::string refused =
      "quiver: error: expert name \"a,b\" holds a comma (commas separate names, as in --router and "
      "--experts: "
      "give another name)\n";
  run_ok(import + "c");
  for (const std::string& command : {import + "a,b", "library rename " + arg("named") + " c a,b",
                                     "merge " + arg("named") + " --name a,b"}) {
    const test::ProgramResult result = run(command);
    EXPECT_EQ(result.status, 1) << command;
    EXPECT_EQ(result.err, refused) << command;
  }
  EXPECT_EQ(run_ok("library ls " + arg("named")), "c\n");
  // As 0.1.0 took them: readable, and out of the way by renaming.
  std::filesystem::rename(path("named/c"), path("named/a,b"));
  EXPECT_EQ(run_ok("library verify " + arg("named")), "1 experts verified\n");
  run_ok("library rename " + arg("named") + " a,b d");
  run_ok("generate " + base() + " --prompt a --max-new-tokens 1 --library " + arg("named") +
         " --router expert:d");
}

}  // namespace
}  // namespace quiver
