#include "tensor/gguf_header.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "quiver/error.h"
#include "tensor/dtype.h"
#include "tensor/file_problem.h"
#include "tensor/gguf_type.h"

namespace quiver {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 256ull << 20;
constexpr std::uint64_t kMaxNameBytes = 65535;  // the format's limit for keys
constexpr std::uint32_t kMaxRank = 4;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMinValueBytes = 8 + 4 + 1;      // key length, type, the smallest value
constexpr std::uint64_t kMinEntryBytes = 8 + 4 + 4 + 8;  // name length, rank, type, offset

constexpr const char* kValueTypeNames[] = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                           "int32",  "float32", "bool",   "string", "array",
                                           "uint64", "int64",   "float64"};
constexpr std::uint64_t kValueTypeBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

// Takes values from the front of the header; every step checks what is left.
class HeaderCursor {
 public:
  HeaderCursor(std::string_view file, const std::filesystem::path& path)
      : header_(file.substr(0, kMaxHeaderBytes)), path_(path), cut_(file.size() > kMaxHeaderBytes) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t left() const { return header_.size() - position_; }

  std::string_view take(std::uint64_t bytes, const std::string& what) {
    if (bytes > left()) {
      const std::string end = cut_ ? "the limit of the header, " : "the end of the file, ";
      throw_corrupt(path_, what + " at byte " + std::to_string(position_) + " needs " +
                               std::to_string(bytes) + " bytes, beyond " + end +
                               std::to_string(header_.size()) + " bytes");
    }
    const std::string_view taken = header_.substr(position_, bytes);
    position_ += bytes;
    return taken;
  }

  template <typename Number>
  Number number(const std::string& what) {
    static_assert(std::is_arithmetic_v<Number>);
    Number value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  std::string_view text(const std::string& what) {
    return take(number<std::uint64_t>("the length of " + what), what);
  }

 private:
  std::string_view header_;
  const std::filesystem::path& path_;
  bool cut_;
  std::uint64_t position_ = 0;
};

class HeaderParser {
 public:
  HeaderParser(std::string_view file, const std::filesystem::path& path)
      : file_(file), path_(path), cursor_(file, path) {}

  GgufHeader parse() {
    check_version();
    const std::uint64_t entries = count("tensors", kMinEntryBytes);
    const std::uint64_t values = count("metadata values", kMinValueBytes);
    for (std::uint64_t i = 0; i < values; ++i) parse_value();
    for (std::uint64_t i = 0; i < entries; ++i) parse_entry();
    place_entries();
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { throw_corrupt(path_, problem); }

  void check_version() {
    if (file_.substr(0, 4) != "GGUF") fail("not a GGUF file: it does not begin with 'GGUF'");
    cursor_.take(4, "the magic");
    const auto version = cursor_.number<std::uint32_t>("the version");
    if (version == 2 || version == 3) return;
    const std::uint32_t swapped = __builtin_bswap32(version);
    throw Error(ErrorKind::kUnsupported,
                path_.string() + (swapped == 2 || swapped == 3
                                      ? std::string(": big-endian GGUF files cannot be read")
                                      : ": GGUF version " + std::to_string(version) + " cannot be read"),
                "convert the model to a little-endian GGUF file of version 2 or 3");
  }

  // A count of things of at least `bytes` bytes each.
  std::uint64_t count(const std::string& what, std::uint64_t bytes) {
    const auto value = cursor_.number<std::uint64_t>("the number of " + what);
    if (value > cursor_.left() / bytes) {
      fail(std::to_string(value) + " " + what + " do not fit in the file of " + std::to_string(file_.size()) +
           " bytes");
    }
    return value;
  }

  std::string name(const std::string& what) {
    const std::string_view text = cursor_.text(what);
    if (text.empty() || text.size() > kMaxNameBytes) {
      fail(what + " at byte " + std::to_string(cursor_.position()) + " has " + std::to_string(text.size()) +
           " bytes; it must have 1 to " + std::to_string(kMaxNameBytes));
    }
    if (text.find('\0') != std::string_view::npos) fail(what + " " + in_quotes(text) + " contains NUL");
    return std::string(text);
  }

  GgufValueType value_type(const std::string& what) {
    const auto type = cursor_.number<std::uint32_t>("the type of " + what);
    if (type >= std::size(kValueTypeNames)) {
      fail(what + " has the unknown value type " + std::to_string(type));
    }
    return static_cast<GgufValueType>(type);
  }

  void parse_value() {
    const std::string key = name("a metadata key");
    const std::string what = "metadata value " + in_quotes(key);
    GgufValue value;
    value.type = value_type(what);
    if (value.type == GgufValueType::kArray) {
      value.is_array = true;
      value.type = value_type(what);
      if (value.type == GgufValueType::kArray) {
        throw Error(ErrorKind::kUnsupported, path_.string() + ": " + what + " is an array of arrays");
      }
      value.count = cursor_.number<std::uint64_t>("the length of " + what);
    }
    value.bytes = value_bytes(value, what);
    if (!header_.values.emplace(key, value).second)
      fail("the metadata key " + in_quotes(key) + " appears twice");
  }

  std::string_view value_bytes(const GgufValue& value, const std::string& what) {
    const std::uint64_t begin = cursor_.position();
    if (value.type == GgufValueType::kString) {
      if (value.count > cursor_.left() / sizeof(std::uint64_t)) fail_count(value, what);
      for (std::uint64_t i = 0; i < value.count; ++i) cursor_.text(what);
    } else {
      const std::uint64_t bytes = kValueTypeBytes[static_cast<std::size_t>(value.type)];
      if (value.count > cursor_.left() / bytes) fail_count(value, what);
      const std::string_view taken = cursor_.take(value.count * bytes, what);
      const bool is_bool = value.type == GgufValueType::kBool;
      if (is_bool && taken.find_first_not_of(std::string_view("\0\1", 2)) != std::string_view::npos) {
        fail(what + " has a bool other than 0 and 1");
      }
    }
    return file_.substr(begin, cursor_.position() - begin);
  }

  [[noreturn]] void fail_count(const GgufValue& value, const std::string& what) const {
    fail(what + ": " + std::to_string(value.count) + " x " +
         kValueTypeNames[static_cast<std::size_t>(value.type)] + " do not fit in the remaining " +
         std::to_string(cursor_.left()) + " bytes");
  }

  void parse_entry() {
    const std::string entry_name = name("a tensor name");
    const std::string what = "tensor " + in_quotes(entry_name);
    GgufEntry entry;
    const auto rank = cursor_.number<std::uint32_t>("the rank of " + what);
    if (rank > kMaxRank) {
      fail(what + " has " + std::to_string(rank) + " dimensions; the most is " + std::to_string(kMaxRank));
    }
    // GGUF names the fastest dimension first.
    for (std::uint32_t i = 0; i < rank; ++i) {
      entry.shape.insert(entry.shape.begin(), cursor_.number<std::int64_t>("a dimension of " + what));
    }
    entry.type = cursor_.number<std::uint32_t>("the type of " + what);
    entry.begin = cursor_.number<std::uint64_t>("the offset of " + what);
    entry.bytes = entry_bytes(entry, what);
    const auto [place, inserted] = header_.entries.emplace(entry_name, std::move(entry));
    if (!inserted) fail(what + " appears twice");
    order_.push_back(&*place);
  }

  std::uint64_t entry_bytes(const GgufEntry& entry, const std::string& what) const {
    const auto elements = element_count(entry.shape);
    if (!elements) fail(what + " has the impossible shape " + shape_text(entry.shape));
    const GgufType* type = find_gguf_type(entry.type);
    if (type == nullptr) return 0;
    const auto row = static_cast<std::uint64_t>(entry.shape.empty() ? 1 : entry.shape.back());
    if (row % type->block_elements != 0) {
      fail(what + ": rows of " + std::to_string(row) + " values are not whole " + type->name + " blocks of " +
           std::to_string(type->block_elements));
    }
    // element_count() leaves room for a factor of 16; no type takes more bytes for a value.
    return *elements / type->block_elements * type->block_bytes;
  }

  std::uint64_t alignment() const {
    const auto found = header_.values.find("general.alignment");
    if (found == header_.values.end()) return kDefaultAlignment;
    if (found->second.type != GgufValueType::kUint32 || found->second.is_array) {
      fail("\"general.alignment\" is " + gguf_value_type_name(found->second) + ", not uint32");
    }
    std::uint32_t value = 0;
    std::memcpy(&value, found->second.bytes.data(), sizeof value);
    if (!std::has_single_bit(value)) {
      fail("\"general.alignment\" is " + std::to_string(value) + ", not a power of two");
    }
    return value;
  }

  // Turns offsets into positions in the file.
  void place_entries() {
    const std::uint64_t unit = alignment();
    const auto align = [unit](std::uint64_t bytes) { return (bytes + unit - 1) / unit * unit; };
    const std::uint64_t data_start = align(cursor_.position());
    const std::uint64_t data_bytes = file_.size() > data_start ? file_.size() - data_start : 0;
    std::uint64_t least = 0;  // where the next tensor may begin
    bool exact = true;        // and must, unless the size of the one before is not known
    for (auto* item : order_) {
      GgufEntry& entry = item->second;
      const std::string what = "tensor " + in_quotes(item->first);
      if (entry.begin % unit != 0) {
        fail(what + " has offset " + std::to_string(entry.begin) + ", not a multiple of the alignment " +
             std::to_string(unit));
      }
      if (entry.begin < least || (exact && entry.begin != least)) {
        fail(what + " has offset " + std::to_string(entry.begin) + " where " + (exact ? "" : "at least ") +
             std::to_string(least) + " follows from the tensors before it");
      }
      if (entry.begin > data_bytes || entry.bytes > data_bytes - entry.begin) {
        fail(what + " needs " + std::to_string(entry.bytes) + " bytes at offset " +
             std::to_string(entry.begin) + ", beyond the " + std::to_string(data_bytes) + " bytes of data");
      }
      least = align(entry.begin + entry.bytes);
      exact = find_gguf_type(entry.type) != nullptr;
      entry.begin += data_start;
    }
  }

  std::string_view file_;
  const std::filesystem::path& path_;
  HeaderCursor cursor_;
  GgufHeader header_;
  std::vector<std::pair<const std::string, GgufEntry>*> order_;  // as in the file
};

}  // namespace

GgufHeader parse_gguf_header(std::string_view file, const std::filesystem::path& path) {
  return HeaderParser(file, path).parse();
}

std::string gguf_value_type_name(const GgufValue& value) {
  return (value.is_array ? "array of " : "") +
         std::string(kValueTypeNames[static_cast<std::size_t>(value.type)]);
}

}  // namespace quiver
