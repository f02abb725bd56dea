#include "quiver/library.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "core/files.h"
#include "core/json.h"
#include "support/expert_fixture.h"
#include "support/test_support.h"

namespace fs = std::filesystem;

namespace quiver::test {
namespace {

using Names = std::vector<std::string>;

ErrorKind kind_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.kind();
  }
  ADD_FAILURE() << "expected a quiver::Error";
  return ErrorKind::kInterrupted;
}

TEST(Library, AddListLoad) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  EXPECT_EQ(library.uri(), "local://" + (scratch / "library").string());
  EXPECT_TRUE(library.names().empty());
  library.add(make_expert("zebra"));
  library.add(make_expert("ant", 0.75));
  EXPECT_EQ(library.names(), (Names{"ant", "zebra"}));
  EXPECT_TRUE(library.contains("ant"));
  EXPECT_FALSE(library.contains("bee"));
  EXPECT_EQ(library.info("ant").tasks, (Names{"ant_task", "shared_task"}));
  EXPECT_EQ(expert_digest(library.load("ant")), expert_digest(make_expert("ant", 0.75)));
  EXPECT_EQ(expert_digest(library.load("zebra")), expert_digest(make_expert("zebra")));
  EXPECT_TRUE(library.verify().empty());
}

TEST(Library, OpenAndCreateSayWhatIsThere) {
  const ScratchDirectory scratch;
  const std::string uri = "local://" + (scratch / "library").string();
  EXPECT_EQ(kind_of([&] { ExpertLibrary::open(uri); }), ErrorKind::kNotFound);
  EXPECT_FALSE(fs::exists(scratch / "library"));
  ExpertLibrary::open_or_create(uri).add(make_expert("a"));
  EXPECT_EQ(ExpertLibrary::open_or_create(uri).names(), (Names{"a"}));
  EXPECT_EQ(ExpertLibrary::open(uri).names(), (Names{"a"}));
  EXPECT_EQ(kind_of([&] { ExpertLibrary::create(uri); }), ErrorKind::kAlreadyExists);
  EXPECT_EQ(ExpertLibrary::open(uri).names(), (Names{"a"}));

  std::ofstream(scratch / "notes.txt") << "mine";
  EXPECT_NE(error_message([&] {
              ExpertLibrary::open_or_create(scratch.path().string());
            }).find("holds files and is not an expert library"),
            std::string::npos);
  EXPECT_EQ(kind_of([&] { ExpertLibrary::open("hf://user/library"); }), ErrorKind::kUnsupported);
}

TEST(Library, VirtualLivesInTheProcess) {
  ExpertLibrary::create("virtual://experts").add(make_expert("a"));
  EXPECT_EQ(ExpertLibrary::open("virtual://experts").names(), (Names{"a"}));
  EXPECT_EQ(kind_of([] { ExpertLibrary::create("virtual://experts"); }), ErrorKind::kAlreadyExists);
  EXPECT_EQ(kind_of([] { ExpertLibrary::open("virtual://others"); }), ErrorKind::kNotFound);
}

TEST(Library, ABrokenOrNewerManifestIsRefused) {
  const ScratchDirectory scratch;
  const auto kind = [&](const std::string& manifest) {
    std::ofstream(scratch / "library.json") << manifest;
    return kind_of([&] { ExpertLibrary::open(scratch.path().string()); });
  };
  EXPECT_EQ(kind("{"), ErrorKind::kCorruptFile);
  EXPECT_EQ(kind("[]"), ErrorKind::kCorruptFile);
  EXPECT_EQ(kind(R"({"format": "quiver-library"})"), ErrorKind::kCorruptFile);
  EXPECT_EQ(kind(R"({"format": "quiver-library", "format_version": "1"})"), ErrorKind::kCorruptFile);
  EXPECT_EQ(kind(R"({"format": "quiver-library", "format_version": 2})"), ErrorKind::kUnsupported);
}

TEST(Library, AddRefusesOrReplaces) {
  ExpertLibrary library = ExpertLibrary::create("virtual://replace");
  library.add(make_expert("a"));
  EXPECT_NE(error_message([&] {
              library.add(make_expert("a", 2));
            }).find("expert 'a' already exists in 'virtual://replace'"),
            std::string::npos);
  EXPECT_EQ(expert_digest(library.load("a")), expert_digest(make_expert("a")));
  library.add(make_expert("a", 2), IfExists::kReplace);
  EXPECT_EQ(expert_digest(library.load("a")), expert_digest(make_expert("a", 2)));
  library.add(make_expert("b"), IfExists::kReplace);
  EXPECT_EQ(library.names(), (Names{"a", "b"}));
}

TEST(Library, RemoveAndRename) {
  ExpertLibrary library = ExpertLibrary::create("virtual://rename");
  library.add(make_expert("a"));
  library.add(make_expert("b", 2));
  library.rename("a", "c");
  EXPECT_EQ(library.names(), (Names{"b", "c"}));
  EXPECT_EQ(library.info("c").name, "c");
  EXPECT_EQ(library.load("c").info.name, "c");
  EXPECT_EQ(expert_digest(library.load("c")), expert_digest(make_expert("a")));
  EXPECT_EQ(kind_of([&] { library.rename("b", "c"); }), ErrorKind::kAlreadyExists);
  EXPECT_EQ(kind_of([&] { library.rename("b", "../c"); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { library.rename("x", "y"); }), ErrorKind::kNotFound);
  library.remove("c");
  EXPECT_EQ(library.names(), (Names{"b"}));
  EXPECT_EQ(kind_of([&] { library.remove("c"); }), ErrorKind::kNotFound);
  EXPECT_TRUE(library.verify().empty());
}

TEST(Library, MissingExpertsComeWithTheNearestNames) {
  ExpertLibrary library = ExpertLibrary::create("virtual://missing");
  library.add(make_expert("wiqa_what_is_the_final_step"));
  library.add(make_expert("sciq_Multiple_Choice"));
  for (const auto& action : std::vector<std::function<void(const std::string&)>>{
           [&](const std::string& name) { library.load(name); },
           [&](const std::string& name) { library.info(name); },
           [&](const std::string& name) { library.remove(name); },
           [&](const std::string& name) { library.rename(name, "other"); },
           [&](const std::string& name) { library.verify(name); },
           [&](const std::string& name) { library.find_artefact(name, "arrow"); },
           [&](const std::string& name) { library.put_artefact(name, "arrow", {}); }}) {
    EXPECT_EQ(
        error_message([&] { action("sciq_multiple_choice"); }),
        "no expert 'sciq_multiple_choice' in 'virtual://missing' | did you mean 'sciq_Multiple_Choice'?");
  }
}

TEST(Library, NamesThatNoFolderCanHaveAreRefused) {
  ExpertLibrary library = ExpertLibrary::create("virtual://names");
  for (const std::string& name :
       {std::string(), std::string("a/b"), std::string(".."), std::string(".hidden"), std::string("a\nb"),
        std::string("a\0b", 3), std::string(201, 'x'), std::string("library.json"),
        std::string("\xff\xfe")}) {
    EXPECT_EQ(kind_of([&] { library.add(make_expert(name)); }), ErrorKind::kInvalidArgument);
    EXPECT_EQ(kind_of([&] { library.load(name); }), ErrorKind::kInvalidArgument);
    EXPECT_EQ(kind_of([&] { library.info(name); }), ErrorKind::kInvalidArgument);
    EXPECT_EQ(kind_of([&] { library.remove(name); }), ErrorKind::kInvalidArgument);
    EXPECT_FALSE(library.contains(name));
  }
  EXPECT_NE(
      error_message([&] { library.add(make_expert("a\nb")); }).find("expert name \"a\\nb\" is not valid"),
      std::string::npos);
  library.add(make_expert(std::string(200, 'x')));
  library.add(make_expert("Ünïcode, with: spaces"));
  EXPECT_EQ(library.load("Ünïcode, with: spaces").info.name, "Ünïcode, with: spaces");
  EXPECT_TRUE(library.verify().empty());
}

TEST(Library, CloneCopiesEverythingOrRefusesFirst) {
  ExpertLibrary source = ExpertLibrary::create("virtual://clone_source");
  ExpertLibrary destination = ExpertLibrary::create("virtual://clone_destination");
  source.add(make_expert("a"));
  source.add(make_expert("b", 2));
  destination.add(make_expert("b", 3));
  EXPECT_EQ(kind_of([&] { source.clone_to(destination, IfExists::kRefuse); }), ErrorKind::kAlreadyExists);
  EXPECT_EQ(destination.names(), (Names{"b"}));
  source.clone_to(destination, IfExists::kReplace);
  EXPECT_EQ(destination.names(), (Names{"a", "b"}));
  EXPECT_EQ(expert_digest(destination.load("b")), expert_digest(make_expert("b", 2)));
  EXPECT_EQ(destination.info("a").metrics, source.info("a").metrics);
  EXPECT_TRUE(destination.verify().empty());
  EXPECT_EQ(kind_of([&] { source.clone_to(source, IfExists::kReplace); }), ErrorKind::kInvalidArgument);
}

TEST(Library, AnExpertCopiedInByHandIsReadAndReported) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  save_expert(make_expert("original"), scratch / "library" / "byhand");
  EXPECT_EQ(library.load("byhand").info.name, "byhand") << "the folder's name counts";
  fs::remove(scratch / "library" / "byhand" / "expert.json");
  EXPECT_EQ(library.info("byhand").lora.rank, 2);
  EXPECT_EQ(library.load("byhand").modules.size(), 4u);
  const auto findings = library.verify();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_NE(findings[0].problem.find("has no expert.json"), std::string::npos);
}

TEST(Library, ACloneHasNoUnfinishedFiles) {
  const ScratchDirectory scratch;
  ExpertLibrary library = ExpertLibrary::create((scratch / "library").string());
  library.add(make_expert("a"));
  library.put_artefact("a", "arrow", {.settings = {}, .tensors = {{"x", at::ones({2})}}});
  const fs::path artefacts = scratch / "library/a/artefacts";
  const HeldTemporary living = hold_temporary_file(artefacts);
  write_file_atomic(artefacts / ".tmp-arrow.safetensors-AbCdEf", "of 0.1.0");
  ExpertLibrary copy = ExpertLibrary::create((scratch / "copy").string());
  library.clone_to(copy, IfExists::kRefuse);
  std::vector<std::string> copied;
  for (const auto& entry : fs::directory_iterator(scratch / "copy/a/artefacts"))
    copied.push_back(entry.path().filename().string());
  EXPECT_EQ(copied, std::vector<std::string>{"arrow.safetensors"});
  EXPECT_TRUE(copy.find_artefact("a", "arrow"));
}

TEST(Library, UnreadableIsNotAbsent) {
  const ScratchDirectory scratch;
  fs::create_symlink("circle", scratch / "circle");
  EXPECT_NE(error_message([&] { ExpertLibrary::open((scratch / "circle").string()); }).find("symbolic links"),
            std::string::npos);
  EXPECT_NE(error_message([&] { load_expert(scratch / "circle"); }).find("symbolic links"),
            std::string::npos);
  write_file_atomic(scratch / "file", "");
  EXPECT_EQ(error_message([&] {
              load_expert(scratch / "file");
            }).find("'" + (scratch / "file").string() + "' is a file, not an adapter's folder"),
            0u);
  if (::geteuid() != 0) return;  // root reads everything: ask as somebody else
  ExpertLibrary::create((scratch / "library").string()).add(make_expert("a"));
  fs::permissions(scratch / "library", fs::perms::owner_all);
  fs::permissions(scratch.path(), fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
  ASSERT_EQ(::seteuid(4321), 0);
  const std::string library = error_message([&] { ExpertLibrary::open((scratch / "library").string()); });
  const std::string adapter = error_message([&] { load_expert(scratch / "library"); });
  ASSERT_EQ(::seteuid(0), 0);
  for (const std::string& message : {library, adapter})
    EXPECT_NE(message.find("Permission denied"), std::string::npos) << message;
}

}  // namespace
}  // namespace quiver::test
