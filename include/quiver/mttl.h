#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "quiver/library.h"

namespace quiver {

// Expert libraries of microsoft/mttl (version 1.0.2). Their files are pickles, which are read without running
// anything in them.

struct MttlImportOptions {
  // Of the one expert to take from a folder, or the name to give a single `.ckpt`; empty: all, as mttl says.
  std::string name = {};
  IfExists if_exists = IfExists::kRefuse;
};

// What an import did, and what it could not take. Texts are one line each.
struct MttlImport {
  std::vector<std::string> experts;   // added, in the order of their names
  std::int64_t artefacts = 0;         // prototypes and gates that came along
  std::vector<std::string> left_out;  // data of the source that a library has no place for
  std::vector<std::string> problems;  // broken or unsupported experts and artefacts, each by name
};

// Whether a path looks like something of mttl: a folder with `.meta` files or an mttl_config.json, or a
// `.ckpt` file.
bool is_mttl(const std::filesystem::path& source);

// Adds the experts of a source to a library: a library folder (`<expert>.ckpt` with `<expert>.meta`; deleted
// experts stay hidden; Arrow's vectors and PhatGOOSE's gates become artefacts), a model folder
// (mttl_config.json with mttl_weights.bin; its router's prototypes, gates or poly_router's logits become
// artefacts), or one `.ckpt` with its `.meta` beside it. Experts arrive one by
// one; one that cannot be taken becomes a problem and does not keep the others out. Throws Error(kNotFound)
// for a source, or a named expert, that is not there and for a source without experts, kAlreadyExists for an
// expert that the library has (nothing is added then), kIo, and for a single `.ckpt` what is wrong with it.
MttlImport import_mttl(const std::filesystem::path& source, ExpertLibrary& library,
                       const MttlImportOptions& options = {});

// Writes experts of a library as an mttl library folder, `.ckpt`, `.meta` and README.md, in one step.
// Artefacts are not written. Throws Error(kAlreadyExists) when `directory` is there and not empty,
// kInvalidArgument for a name that mttl cannot hold, and what ExpertLibrary::load throws.
void export_mttl(const ExpertLibrary& library, std::span<const std::string> names,
                 const std::filesystem::path& directory);

}  // namespace quiver
