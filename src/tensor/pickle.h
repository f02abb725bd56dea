#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace quiver {

// The objects of one pickle as a graph: a node refers to others by index, so that shared objects and even
// objects that contain themselves need no ownership. Texts point into the parsed bytes.
using PickleId = std::uint32_t;

struct PickleNone {};
struct PickleText {
  std::string_view text;
};
// str.encode("latin1") of a text: how protocol 2 stores bytes.
struct PickleLatin1 {
  PickleId text;
};
// list, tuple and set.
struct PickleList {
  std::vector<PickleId> items;
};
struct PickleDict {
  std::vector<std::pair<PickleId, PickleId>> entries;
};

// What a pickle may name. Everything else is refused by the parser, by name.
enum class PickleCallable {
  kBytes,
  kDevice,
  kDtype,
  kEncode,
  kNumpyArray,
  kNumpyDtype,
  kNumpyReconstruct,
  kNumpyScalar,
  kOrderedDict,
  kParameter,
  kSet,
  kSize,
  kStorage,
  kTensor,
  kTypedTensor,
  kUntypedStorage,
};
struct PickleGlobal {
  PickleCallable callable;
  at::ScalarType dtype;   // of kDtype and kStorage
  std::string_view name;  // as the pickle spells it, without the module
};

// A persistent id: bytes that lie elsewhere in the file.
struct PickleStorage {
  std::string_view key;
  at::ScalarType dtype;    // kByte for an untyped one
  std::int64_t count;      // elements of that type
  std::int64_t begin = 0;  // legacy views: elements of `key` before this one
};

struct PickleTensor {
  PickleStorage storage;
  at::ScalarType dtype;
  std::int64_t offset;  // elements
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // elements
};

struct PickleNumpyDtype {
  at::ScalarType dtype;
};
struct PickleNumpyArray {
  at::ScalarType dtype = at::kByte;
  std::vector<std::int64_t> shape;
  bool column_major = false;
  bool scalar = false;
  PickleId data = 0;  // PickleLatin1 or PickleText
  bool built = false;
};

using PickleNode =
    std::variant<PickleNone, bool, std::int64_t, double, PickleText, PickleLatin1, PickleList, PickleDict,
                 PickleGlobal, PickleStorage, PickleTensor, PickleNumpyDtype, PickleNumpyArray>;

struct Pickle {
  std::deque<PickleNode> nodes;  // references stay valid while it grows
  PickleId root = 0;
  std::size_t size = 0;  // bytes up to and including its end
};

// Reads the pickle at the start of `bytes`: protocol 2, with the opcodes that torch.save emits. Nothing is
// called; the few names in PickleCallable are understood, any other is refused. Memory is bounded by the
// bytes read, at most 64 MiB and 2^20 objects. `path` only goes into messages. Throws Error(kCorruptFile) for
// bytes that are no such pickle, kUnsupported naming the class or function that is not allowed.
Pickle parse_pickle(std::string_view bytes, const std::filesystem::path& path);

}  // namespace quiver
