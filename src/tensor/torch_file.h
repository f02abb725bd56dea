#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tensor/torch_value.h"

namespace quiver {

// Reads a file that torch.save wrote, a zip archive or the older format, without running anything in it:
// numbers, texts, lists, dicts, tensors and numpy arrays of any element type that both libraries have.
// Tensors come to the CPU with the strides of the file; those that shared a storage share it again.
//
// Hostile files: every size is checked against the file before memory is taken. Refused besides: a class or
// function other than the few that such values need, objects nested deeper than 64 levels or inside
// themselves, more than 2^20 values, and tensors that together are many times larger than the file.
//
// Throws Error(kNotFound, kIo), kCorruptFile with what is wrong, kUnsupported naming what is not read. May be
// called by several threads.
TorchValue read_torch_file(const std::filesystem::path& path);

// The tensors of a dict of texts to tensors, as a state_dict. `path` only goes into messages. Throws
// Error(kCorruptFile) naming what is no tensor.
std::map<std::string, at::Tensor> tensors_of(const TorchValue& value, const std::filesystem::path& path);

// The same for a file that holds nothing else.
std::map<std::string, at::Tensor> read_torch_tensors(const std::filesystem::path& path);

// Writes a value as torch.save does (zip archive, pickle of protocol 2), for torch.load with
// weights_only=True: texts as str, dicts as dict, every tensor contiguous with a storage of its own. The file
// appears whole or not at all. Throws Error(kIo), kUnsupported for an element type without a typed storage.
void write_torch_file(const std::filesystem::path& path, const TorchValue& value);

}  // namespace quiver
