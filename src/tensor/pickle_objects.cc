#include "tensor/pickle_objects.h"

#include <algorithm>

#include "quiver/error.h"
#include "tensor/file_problem.h"

namespace quiver {
namespace {

constexpr std::size_t kMaxNodes = 1 << 20;
constexpr std::size_t kMaxDimensions = 64;

struct Name {
  std::string_view module;
  std::string_view name;
  PickleCallable callable;
  at::ScalarType dtype = at::kByte;
};

// Python 2 wrote __builtin__ for builtins; numpy 2 moved numpy.core to numpy._core.
constexpr Name kNames[] = {
    {"collections", "OrderedDict", PickleCallable::kOrderedDict},
    {"__builtin__", "set", PickleCallable::kSet},
    {"builtins", "set", PickleCallable::kSet},
    {"__builtin__", "bytes", PickleCallable::kBytes},
    {"builtins", "bytes", PickleCallable::kBytes},
    {"_codecs", "encode", PickleCallable::kEncode},
    {"torch", "Size", PickleCallable::kSize},
    {"torch", "device", PickleCallable::kDevice},
    {"torch._utils", "_rebuild_tensor", PickleCallable::kTensor},
    {"torch._utils", "_rebuild_tensor_v2", PickleCallable::kTensor},
    {"torch._utils", "_rebuild_tensor_v3", PickleCallable::kTypedTensor},
    {"torch._utils", "_rebuild_parameter", PickleCallable::kParameter},
    {"torch._utils", "_rebuild_parameter_with_state", PickleCallable::kParameter},
    {"torch", "UntypedStorage", PickleCallable::kUntypedStorage},
    {"torch.storage", "UntypedStorage", PickleCallable::kUntypedStorage},
    {"torch", "BoolStorage", PickleCallable::kStorage, at::kBool},
    {"torch", "ByteStorage", PickleCallable::kStorage, at::kByte},
    {"torch", "CharStorage", PickleCallable::kStorage, at::kChar},
    {"torch", "ShortStorage", PickleCallable::kStorage, at::kShort},
    {"torch", "IntStorage", PickleCallable::kStorage, at::kInt},
    {"torch", "LongStorage", PickleCallable::kStorage, at::kLong},
    {"torch", "HalfStorage", PickleCallable::kStorage, at::kHalf},
    {"torch", "BFloat16Storage", PickleCallable::kStorage, at::kBFloat16},
    {"torch", "FloatStorage", PickleCallable::kStorage, at::kFloat},
    {"torch", "DoubleStorage", PickleCallable::kStorage, at::kDouble},
    {"torch", "ComplexFloatStorage", PickleCallable::kStorage, at::kComplexFloat},
    {"torch", "ComplexDoubleStorage", PickleCallable::kStorage, at::kComplexDouble},
    {"torch", "bool", PickleCallable::kDtype, at::kBool},
    {"torch", "uint8", PickleCallable::kDtype, at::kByte},
    {"torch", "int8", PickleCallable::kDtype, at::kChar},
    {"torch", "int16", PickleCallable::kDtype, at::kShort},
    {"torch", "uint16", PickleCallable::kDtype, at::kUInt16},
    {"torch", "int32", PickleCallable::kDtype, at::kInt},
    {"torch", "uint32", PickleCallable::kDtype, at::kUInt32},
    {"torch", "int64", PickleCallable::kDtype, at::kLong},
    {"torch", "uint64", PickleCallable::kDtype, at::kUInt64},
    {"torch", "float16", PickleCallable::kDtype, at::kHalf},
    {"torch", "bfloat16", PickleCallable::kDtype, at::kBFloat16},
    {"torch", "float32", PickleCallable::kDtype, at::kFloat},
    {"torch", "float64", PickleCallable::kDtype, at::kDouble},
    {"torch", "float8_e4m3fn", PickleCallable::kDtype, at::kFloat8_e4m3fn},
    {"torch", "float8_e5m2", PickleCallable::kDtype, at::kFloat8_e5m2},
    {"torch", "complex64", PickleCallable::kDtype, at::kComplexFloat},
    {"torch", "complex128", PickleCallable::kDtype, at::kComplexDouble},
    {"numpy", "ndarray", PickleCallable::kNumpyArray},
    {"numpy", "dtype", PickleCallable::kNumpyDtype},
    {"numpy.core.multiarray", "_reconstruct", PickleCallable::kNumpyReconstruct},
    {"numpy._core.multiarray", "_reconstruct", PickleCallable::kNumpyReconstruct},
    {"numpy.core.multiarray", "scalar", PickleCallable::kNumpyScalar},
    {"numpy._core.multiarray", "scalar", PickleCallable::kNumpyScalar},
};

struct NumpyType {
  std::string_view code;
  at::ScalarType dtype;
};
constexpr NumpyType kNumpyTypes[] = {
    {"b1", at::kBool},   {"u1", at::kByte}, {"i1", at::kChar},   {"i2", at::kShort},
    {"u2", at::kUInt16}, {"i4", at::kInt},  {"u4", at::kUInt32}, {"i8", at::kLong},
    {"u8", at::kUInt64}, {"f2", at::kHalf}, {"f4", at::kFloat},  {"f8", at::kDouble},
};

}  // namespace

std::optional<std::string_view> storage_class(at::ScalarType dtype) {
  for (const Name& known : kNames) {
    if (known.callable == PickleCallable::kStorage && known.dtype == dtype) return known.name;
  }
  return std::nullopt;
}

PickleId PickleObjects::add(PickleNode node) {
  if (nodes_.size() == kMaxNodes) {
    throw_corrupt(path_, "the pickle has more than " + std::to_string(kMaxNodes) + " objects");
  }
  nodes_.push_back(std::move(node));
  return static_cast<PickleId>(nodes_.size() - 1);
}

const PickleList& PickleObjects::list(PickleId id, const char* what) const {
  if (const auto* found = as<PickleList>(id)) return *found;
  throw_corrupt(path_, std::string(what) + " is not a tuple or list");
}

std::int64_t PickleObjects::integer(PickleId id, const char* what) const {
  if (const auto* found = as<std::int64_t>(id)) return *found;
  throw_corrupt(path_, std::string(what) + " is not a whole number");
}

std::string_view PickleObjects::text(PickleId id, const char* what) const {
  if (const auto* found = as<PickleText>(id)) return found->text;
  throw_corrupt(path_, std::string(what) + " is not a text");
}

std::vector<std::int64_t> PickleObjects::integers(PickleId id, const char* what) const {
  const PickleList& items = list(id, what);
  if (items.items.size() > kMaxDimensions) {
    throw_corrupt(path_, std::string(what) + " has more than " + std::to_string(kMaxDimensions) + " entries");
  }
  std::vector<std::int64_t> numbers;
  for (const PickleId item : items.items) numbers.push_back(integer(item, what));
  return numbers;
}

const PickleList& PickleObjects::arguments(PickleId id, std::size_t least, std::size_t most,
                                           const char* what) const {
  const PickleList& given = list(id, what);
  if (given.items.size() >= least && given.items.size() <= most) return given;
  throw_corrupt(path_,
                std::string(what) + " is called with " + std::to_string(given.items.size()) + " arguments");
}

PickleGlobal PickleObjects::global(std::string_view module, std::string_view name) const {
  for (const Name& known : kNames) {
    if (known.module == module && known.name == name) return {known.callable, known.dtype, name};
  }
  throw Error(ErrorKind::kUnsupported,
              path_.string() + ": the pickle asks for " +
                  in_quotes(std::string(module) + "." + std::string(name)) + ", which is not allowed",
              "only tensors, numpy arrays, numbers, texts, lists and dicts are read from pickles");
}

PickleId PickleObjects::call(PickleId callable, PickleId given) {
  const auto* global = as<PickleGlobal>(callable);
  if (global == nullptr) throw_corrupt(path_, "the pickle calls something that is no function");
  switch (global->callable) {
    case PickleCallable::kOrderedDict:
      return make_ordered_dict(given);
    case PickleCallable::kSet:
    case PickleCallable::kSize: {
      const PickleList& values = arguments(given, 0, 1, "a set or torch.Size");
      if (values.items.empty()) return add(PickleList{});
      list(values.items[0], "the content of a set or torch.Size");
      return values.items[0];
    }
    case PickleCallable::kBytes:
      arguments(given, 0, 0, "bytes");
      return add(PickleText{});
    case PickleCallable::kEncode: {
      const PickleList& values = arguments(given, 2, 2, "encode");
      text(values.items[0], "encoded text");
      if (text(values.items[1], "an encoding") != "latin1") {
        throw_corrupt(path_, "the pickle has bytes in an encoding other than latin1");
      }
      return add(PickleLatin1{values.items[0]});
    }
    case PickleCallable::kDevice: {
      const PickleList& values = arguments(given, 1, 2, "torch.device");
      text(values.items[0], "a device");
      return values.items[0];
    }
    case PickleCallable::kTensor:
      return make_tensor(given, false);
    case PickleCallable::kTypedTensor:
      return make_tensor(given, true);
    case PickleCallable::kParameter: {
      const PickleId data = arguments(given, 3, 4, "a parameter").items[0];
      if (as<PickleTensor>(data) == nullptr) throw_corrupt(path_, "a parameter is no tensor");
      return data;
    }
    case PickleCallable::kNumpyReconstruct: {
      const PickleList& values = arguments(given, 3, 3, "a numpy array");
      const auto* type = as<PickleGlobal>(values.items[0]);
      if (type == nullptr || type->callable != PickleCallable::kNumpyArray) {
        throw_corrupt(path_, "a numpy array is of a foreign class");
      }
      return add(PickleNumpyArray{});
    }
    case PickleCallable::kNumpyDtype:
      return make_numpy_dtype(given);
    case PickleCallable::kNumpyScalar:
      return make_numpy_scalar(given);
    case PickleCallable::kDtype:
    case PickleCallable::kNumpyArray:
    case PickleCallable::kStorage:
    case PickleCallable::kUntypedStorage:
      break;
  }
  throw_corrupt(path_, "the pickle calls " + in_quotes(global->name));
}

// Python 2 wrote the entries as an argument, Python 3 adds them afterwards.
PickleId PickleObjects::make_ordered_dict(PickleId given) {
  const PickleList& values = arguments(given, 0, 1, "OrderedDict");
  if (values.items.empty()) return add(PickleDict{});
  PickleDict dict;
  const PickleList& pairs = list(values.items[0], "the content of an OrderedDict");
  if (pairs.items.size() > kMaxNodes - nodes_.size()) throw_corrupt(path_, "the pickle has too many objects");
  for (const PickleId id : pairs.items) {
    const PickleList& pair = list(id, "an entry of an OrderedDict");
    if (pair.items.size() != 2) throw_corrupt(path_, "an entry of an OrderedDict is no pair");
    dict.entries.emplace_back(pair.items[0], pair.items[1]);
    add(PickleNone{});  // counts what was copied against the limit
  }
  return add(std::move(dict));
}

PickleStorage PickleObjects::storage(PickleId persistent_id) const {
  const PickleList& id = list(persistent_id, "a persistent id");
  const std::size_t size = id.items.size();
  if ((size != 5 && size != 6) || text(id.items[0], "the kind of a persistent id") != "storage") {
    throw_corrupt(path_, "a persistent id is no storage");
  }
  const auto* type = as<PickleGlobal>(id.items[1]);
  if (type == nullptr ||
      (type->callable != PickleCallable::kStorage && type->callable != PickleCallable::kUntypedStorage)) {
    throw_corrupt(path_, "the type of a storage is none");
  }
  PickleStorage storage{text(id.items[2], "the key of a storage"), type->dtype,
                        integer(id.items[4], "the size of a storage")};
  if (size == 6 && as<PickleNone>(id.items[5]) == nullptr) {
    const PickleList& view = list(id.items[5], "the view of a storage");
    if (view.items.size() != 3) throw_corrupt(path_, "the view of a storage has no 3 entries");
    storage.begin = integer(view.items[1], "the begin of a view");
    storage.count = integer(view.items[2], "the size of a view");
  }
  if (storage.count < 0 || storage.begin < 0) {
    throw_corrupt(path_, "the storage " + in_quotes(storage.key) + " has a negative size");
  }
  return storage;
}

PickleId PickleObjects::make_tensor(PickleId given, bool typed) {
  const PickleList& values = arguments(given, typed ? 7 : 4, typed ? 8 : 7, "a tensor");
  const auto* storage = as<PickleStorage>(values.items[0]);
  if (storage == nullptr) throw_corrupt(path_, "a tensor has no storage");
  PickleTensor tensor{*storage, storage->dtype, integer(values.items[1], "the offset of a tensor"),
                      integers(values.items[2], "the shape of a tensor"),
                      integers(values.items[3], "the strides of a tensor")};
  if (typed) {
    const auto* dtype = as<PickleGlobal>(values.items[6]);
    if (dtype == nullptr || dtype->callable != PickleCallable::kDtype) {
      throw_corrupt(path_, "the type of a tensor is none");
    }
    tensor.dtype = dtype->dtype;
  }
  return add(std::move(tensor));
}

PickleId PickleObjects::make_numpy_dtype(PickleId given) {
  const std::string_view code = text(arguments(given, 1, 3, "numpy.dtype").items[0], "a numpy type");
  const auto* found = std::ranges::find(kNumpyTypes, code, &NumpyType::code);
  if (found != std::end(kNumpyTypes)) return add(PickleNumpyDtype{found->dtype});
  throw Error(ErrorKind::kUnsupported,
              path_.string() + ": a numpy array of type " + in_quotes(code) + " cannot be read");
}

PickleId PickleObjects::make_numpy_scalar(PickleId given) {
  const PickleList& values = arguments(given, 2, 2, "a numpy number");
  const auto* type = as<PickleNumpyDtype>(values.items[0]);
  if (type == nullptr) throw_corrupt(path_, "a numpy number has no type");
  PickleNumpyArray scalar;
  scalar.dtype = type->dtype;
  scalar.scalar = true;
  scalar.data = values.items[1];
  scalar.built = true;
  return add(std::move(scalar));
}

void PickleObjects::set_state(PickleId object, PickleId state) {
  PickleNode& node = nodes_[object];
  if (std::holds_alternative<PickleDict>(node)) {
    // Attributes of an OrderedDict: the version numbers that Module.state_dict() adds.
    if (as<PickleDict>(state) == nullptr) throw_corrupt(path_, "the attributes of a dict are no dict");
  } else if (std::holds_alternative<PickleNumpyDtype>(node)) {
    const PickleList& values = arguments(state, 8, 9, "the state of a numpy type");
    if (text(values.items[1], "a byte order") == ">") {
      throw Error(ErrorKind::kUnsupported, path_.string() + ": big-endian numpy arrays cannot be read");
    }
  } else if (auto* array = std::get_if<PickleNumpyArray>(&node); array != nullptr && !array->built) {
    const PickleList& values = arguments(state, 5, 5, "the state of a numpy array");
    const auto* type = as<PickleNumpyDtype>(values.items[2]);
    const auto* order = as<bool>(values.items[3]);
    if (type == nullptr || order == nullptr) throw_corrupt(path_, "the state of a numpy array is none");
    array->dtype = type->dtype;
    array->shape = integers(values.items[1], "the shape of a numpy array");
    array->column_major = *order;
    array->data = values.items[4];
    array->built = true;
  } else {
    throw_corrupt(path_, "the pickle sets the state of an object that has none");
  }
}

}  // namespace quiver
