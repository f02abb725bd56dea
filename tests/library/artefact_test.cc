#include <unistd.h>

#include <fstream>
#include <functional>

#include "quiver/library.h"
#include "support/expert_fixture.h"
#include "support/test_support.h"
#include "tensor/safetensors.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

Artefact make_artefact(double value) {
  return {.settings = {{"temperature", value}, {"note", "für Ärger"}},
          .tensors = {{"model.layers.0.self_attn.q_proj", at::full({6}, value)},
                      {"model.layers.1.self_attn.q_proj", at::full({6}, -value)}}};
}

void expect_artefact(const std::optional<Artefact>& found, double value) {
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->settings, make_artefact(value).settings);
  ASSERT_EQ(found->tensors.size(), 2u);
  EXPECT_TRUE(at::equal(found->tensors.at("model.layers.1.self_attn.q_proj"), at::full({6}, -value)));
}

bool is_stale(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.kind() == ErrorKind::kStale;
  }
  return false;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(LibraryArtefacts, OnePerExpertAndKind) {
  ExpertLibrary library = ExpertLibrary::create("virtual://artefacts");
  library.add(make_expert("a"));
  library.add(make_expert("b", 2));
  EXPECT_FALSE(library.find_artefact("a", "arrow").has_value());
  library.put_artefact("a", "arrow", make_artefact(1));
  library.put_artefact("a", "phatgoose", make_artefact(2));
  expect_artefact(library.find_artefact("a", "arrow"), 1);
  expect_artefact(library.find_artefact("a", "phatgoose"), 2);
  EXPECT_EQ(library.find_artefact("a", "arrow")->expert_digest, expert_digest(make_expert("a")));
  EXPECT_FALSE(library.find_artefact("b", "arrow").has_value());
  library.put_artefact("a", "arrow", make_artefact(3));
  expect_artefact(library.find_artefact("a", "arrow"), 3);
  EXPECT_TRUE(library.verify().empty());
  for (const std::string kind : {"", "../x", ".x", "a/b"}) {
    EXPECT_NE(error_message([&] { library.put_artefact("a", kind, make_artefact(1)); }).find("artefact kind"),
              std::string::npos);
  }
}

TEST(LibraryArtefacts, ComeWithTheirExpert) {
  ExpertLibrary library = ExpertLibrary::create("virtual://with_artefacts");
  library.add(make_expert("a"));
  library.put_artefact("a", "arrow", make_artefact(1));
  library.put_artefact("a", "phatgoose", make_artefact(2));
  const std::vector<std::string> kinds = {"arrow", "arrow_peft"};
  const ExpertWithArtefacts found = library.load_with_artefacts("a", kinds);
  EXPECT_EQ(found.expert.info.name, "a");
  EXPECT_EQ(expert_digest(found.expert), expert_digest(make_expert("a")));
  ASSERT_EQ(found.artefacts.size(), 1u);
  expect_artefact(found.artefacts.at("arrow"), 1);
  EXPECT_TRUE(library.load_with_artefacts("a", {}).artefacts.empty());
}

TEST(LibraryArtefacts, NothingToMakeNeedsNoPermission) {
  if (::geteuid() != 0) return;  // the folder must belong to somebody else
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  library.add(make_expert("a"));
  fs::permissions(scratch.path(), fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
  ASSERT_EQ(::seteuid(4321), 0);
  const std::string nothing = error_of([&] { library.make_artefacts({}, "arrow", {}); });
  const std::string denied = error_of([&] { library.put_artefact("a", "arrow", make_artefact(1)); });
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(nothing, "");
  EXPECT_NE(denied.find("Permission denied"), std::string::npos) << denied;
}

TEST(LibraryArtefacts, MadeForSeveralExpertsAtOnce) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  std::vector<std::string> names;
  for (int i = 0; i < 9; ++i) {
    names.push_back("expert" + std::to_string(i));
    library.add(make_expert(names.back(), i));
  }
  const auto make = [](const Expert& expert) { return make_artefact(expert.info.name.back() - '0'); };
  library.make_artefacts(names, "arrow", make);
  for (int i = 0; i < 9; ++i) {
    expect_artefact(library.find_artefact(names[i], "arrow"), i);
    EXPECT_EQ(library.find_artefact(names[i], "arrow")->expert_digest,
              expert_digest(make_expert(names[i], i)));
  }
  EXPECT_TRUE(library.verify().empty());
  library.make_artefacts({}, "arrow", make);
  EXPECT_NE(error_message([&] { library.make_artefacts(names, "a/b", make); }).find("artefact kind"),
            std::string::npos);
  // Nothing is left of the preparation.
  EXPECT_TRUE(fs::is_empty(scratch / "library" / ".staging"));
}

TEST(LibraryArtefacts, OneThatFailsLeavesTheOthers) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  for (const char* name : {"a", "damaged", "refused", "z"}) library.add(make_expert(name));
  const fs::path weights = scratch / "library" / "damaged" / "adapter_model.safetensors";
  std::fstream(weights, std::ios::in | std::ios::out | std::ios::binary).seekp(-1, std::ios::end).put('x');
  const auto make = [](const Expert& expert) {
    if (expert.info.name == "refused") throw Error(ErrorKind::kInvalidArgument, "zero update");
    return make_artefact(1);
  };
  const std::vector<std::string> names = {"a", "damaged", "absent", "refused", "z"};
  EXPECT_NE(error_message([&] { library.make_artefacts(names, "arrow", make); }).find("is damaged"),
            std::string::npos);
  expect_artefact(library.find_artefact("a", "arrow"), 1);
  expect_artefact(library.find_artefact("z", "arrow"), 1);
  EXPECT_FALSE(library.find_artefact("refused", "arrow").has_value());
  EXPECT_FALSE(fs::exists(weights.parent_path() / "artefacts"));
  const std::vector<std::string> later = {"refused", "absent"};
  EXPECT_EQ(error_message([&] { library.make_artefacts(later, "arrow", make); }), "zero update");
}

TEST(LibraryArtefacts, WhatADeadWriterLeftIsClearedByTheNext) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  library.add(make_expert("a"));
  library.put_artefact("a", "arrow", make_artefact(1));
  const fs::path leftover = scratch / "library" / "a" / "artefacts" / ".tmp-arrow.safetensors-Abc123";
  std::ofstream(leftover) << "half a file";
  EXPECT_TRUE(library.verify().empty());
  library.put_artefact("a", "phatgoose", make_artefact(2));
  EXPECT_FALSE(fs::exists(leftover));
  expect_artefact(library.find_artefact("a", "arrow"), 1);
  expect_artefact(library.find_artefact("a", "phatgoose"), 2);
}

TEST(LibraryArtefacts, TheyTravelAndVanishWithTheExpert) {
  ExpertLibrary library = ExpertLibrary::create("virtual://travel");
  ExpertLibrary copy = ExpertLibrary::create("virtual://travel_copy");
  library.add(make_expert("a"));
  library.put_artefact("a", "arrow", make_artefact(1));
  library.clone_to(copy, IfExists::kRefuse);
  expect_artefact(copy.find_artefact("a", "arrow"), 1);
  library.rename("a", "b");
  expect_artefact(library.find_artefact("b", "arrow"), 1);
  library.add(make_expert("a"));
  EXPECT_FALSE(library.find_artefact("a", "arrow").has_value());
  library.remove("b");
  library.add(make_expert("b"));
  EXPECT_FALSE(library.find_artefact("b", "arrow").has_value());
  copy.add(make_expert("a", 5), IfExists::kReplace);
  EXPECT_FALSE(copy.find_artefact("a", "arrow").has_value());
  EXPECT_TRUE(copy.verify().empty());
}

TEST(LibraryArtefacts, MadeFromOtherWeightsTheyAreStale) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  library.add(make_expert("a"));
  // Computed from the first version, stored after somebody replaced it.
  Artefact late = make_artefact(1);
  late.expert_digest = expert_digest(library.load("a"));
  library.put_artefact("a", "arrow", late);
  library.add(make_expert("a", 2), IfExists::kReplace);
  EXPECT_TRUE(is_stale([&] { library.put_artefact("a", "arrow", late); }));
  EXPECT_FALSE(library.find_artefact("a", "arrow").has_value());

  // Weights exchanged behind the library's back.
  library.put_artefact("a", "arrow", make_artefact(1));
  save_expert(make_expert("a", 3), scratch / "other");
  for (const char* file : {"adapter_model.safetensors", "expert.json"}) {
    fs::copy_file(scratch / "other" / file, scratch / "library" / "a" / file,
                  fs::copy_options::overwrite_existing);
  }
  EXPECT_TRUE(is_stale([&] { library.find_artefact("a", "arrow"); }));
  const auto findings = library.verify();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_NE(findings[0].problem.find("was made from other weights"), std::string::npos);
}

TEST(LibraryArtefacts, OfNoWeightsTheyOutliveThem) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  library.add(make_expert("a"));
  Artefact of_no_weights = make_artefact(7);
  of_no_weights.expert_digest = kOfNoWeights;
  library.put_artefact("a", "statistics", of_no_weights);
  library.put_artefact("a", "arrow", make_artefact(1));
  library.add(make_expert("a", 2), IfExists::kReplace);
  EXPECT_FALSE(library.find_artefact("a", "arrow").has_value());
  expect_artefact(library.find_artefact("a", "statistics"), 7);
  EXPECT_EQ(library.find_artefact("a", "statistics")->expert_digest, kOfNoWeights);
  const std::vector<std::string> kinds = {"statistics"};
  expect_artefact(library.load_with_artefacts("a", kinds).artefacts.at("statistics"), 7);
  EXPECT_TRUE(library.verify().empty());
  library.rename("a", "b");
  ExpertLibrary copy = ExpertLibrary::create((scratch / "copy").string());
  library.clone_to(copy, IfExists::kRefuse);
  expect_artefact(copy.find_artefact("b", "statistics"), 7);
  library.remove("b");
  library.add(make_expert("b"));
  EXPECT_FALSE(library.find_artefact("b", "statistics").has_value());
}

TEST(LibraryArtefacts, ABrokenFileDoesNotKeepAnExpertFromBeingReplaced) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  library.add(make_expert("a"));
  const fs::path folder = scratch / "library/a/artefacts";
  fs::create_directory(folder);
  std::ofstream(folder / "statistics.safetensors") << "not a tensor";
  library.add(make_expert("a", 2), IfExists::kReplace);
  EXPECT_FALSE(library.find_artefact("a", "statistics").has_value());
  EXPECT_TRUE(library.verify().empty());
}

TEST(LibraryArtefacts, NumbersThatAreNotFiniteAreNeitherWrittenNorRead) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  library.add(make_expert("a"));
  Artefact broken = make_artefact(1);
  const std::string name = broken.tensors.begin()->first;
  broken.tensors.begin()->second = broken.tensors.begin()->second.clone().fill_(NAN);
  EXPECT_EQ(error_message([&] { library.put_artefact("a", "arrow", broken); }),
            "artefact tensor '" + name + "' holds numbers that are not finite");
  EXPECT_FALSE(library.find_artefact("a", "arrow").has_value());
  library.put_artefact("a", "arrow", make_artefact(1));
  const fs::path file = scratch / "library" / "a" / "artefacts" / "arrow.safetensors";
  write_safetensors(file, broken.tensors, SafetensorsFile::open(file).metadata());
  EXPECT_EQ(error_message([&] { library.find_artefact("a", "arrow"); }),
            file.string() + ": '" + name + "' holds numbers that are not finite | compute it again");
}

TEST(LibraryArtefacts, AFileOfOtherOriginIsNoArtefact) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  library.add(make_expert("a"));
  write_safetensors(scratch / "library" / "a" / "artefacts" / "arrow.safetensors", {{"x", at::ones({2})}});
  EXPECT_NE(
      error_message([&] { library.find_artefact("a", "arrow"); }).find("does not say what it was made from"),
      std::string::npos);
}

}  // namespace
}  // namespace quiver::test
