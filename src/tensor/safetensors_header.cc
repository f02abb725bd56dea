#include "tensor/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include "core/json.h"
#include "tensor/dtype.h"
#include "tensor/file_problem.h"

namespace quiver {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the safetensors library's limit
constexpr std::size_t kMaxRank = 64;

// Builds the header from JSON events. A DOM would drop duplicate keys silently and could grow to many times
// the size of a hostile header; this refuses whatever does not belong at the moment it appears.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::filesystem::path& path) : path_(path) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override {
    if (state_ != State::kTopValue || name_ != kMetadataKey) reject("null");
    state_ = State::kTop;
    return true;
  }
  bool boolean(bool) override { reject("a boolean"); }
  bool number_float(double, const std::string&) override { reject("a number that is not a whole number"); }
  bool number_integer(std::int64_t) override { reject("a negative number"); }
  bool binary(Json::binary_t&) override { reject("binary data"); }

  bool number_unsigned(std::uint64_t value) override {
    if (state_ == State::kShape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        fail("dimension " + std::to_string(value) + " of tensor " + in_quotes(name_) + " is too large");
      }
      if (entry_.shape.size() == kMaxRank) {
        fail("tensor " + in_quotes(name_) + " has more than " + std::to_string(kMaxRank) + " dimensions");
      }
      entry_.shape.push_back(static_cast<std::int64_t>(value));
    } else if (state_ == State::kOffsets && offset_count_ < 2) {
      (offset_count_++ == 0 ? entry_.begin : entry_.end) = value;
    } else {
      reject("a number");
    }
    return true;
  }

  bool string(std::string& value) override {
    if (state_ == State::kMetadataValue) {
      header_.metadata.emplace(metadata_key_, std::move(value));
      state_ = State::kMetadata;
    } else if (state_ == State::kField && field_ == "dtype") {
      const auto dtype = dtype_from_name(value);
      if (!dtype) {
        throw Error(ErrorKind::kUnsupported, path_.string() + ": tensor " + in_quotes(name_) +
                                                 " has the unsupported element type " + in_quotes(value));
      }
      entry_.dtype = *dtype;
      state_ = State::kTensor;
    } else {
      reject("a text");
    }
    return true;
  }

  bool key(std::string& value) override {
    if (state_ == State::kTop) {
      name_ = std::move(value);
      if (name_.find('\0') != std::string::npos)
        fail("the tensor name " + in_quotes(name_) + " contains NUL");
      const bool repeated = name_ == kMetadataKey ? seen_metadata_ : header_.entries.contains(name_);
      if (repeated) fail("the name " + in_quotes(name_) + " appears twice");
      state_ = State::kTopValue;
    } else if (state_ == State::kMetadata) {
      metadata_key_ = std::move(value);
      if (header_.metadata.contains(metadata_key_)) {
        fail("the metadata key " + in_quotes(metadata_key_) + " appears twice");
      }
      state_ = State::kMetadataValue;
    } else {  // State::kTensor
      field_ = std::move(value);
      if (field_ != "dtype" && field_ != "shape" && field_ != "data_offsets") {
        fail("tensor " + in_quotes(name_) + " has the unknown field " + in_quotes(field_));
      }
      if (!fields_.insert(field_).second) {
        fail("the field " + in_quotes(field_) + " of tensor " + in_quotes(name_) + " appears twice");
      }
      state_ = State::kField;
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (state_ == State::kStart) {
      state_ = State::kTop;
    } else if (state_ == State::kTopValue && name_ == kMetadataKey) {
      seen_metadata_ = true;
      state_ = State::kMetadata;
    } else if (state_ == State::kTopValue) {
      entry_ = {};
      offset_count_ = 0;
      fields_.clear();
      state_ = State::kTensor;
    } else {
      reject("an object");
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::kTensor) {
      if (fields_.size() != 3) {
        fail("tensor " + in_quotes(name_) + " lacks one of dtype, shape and data_offsets");
      }
      header_.entries.emplace(std::move(name_), std::move(entry_));
    }
    state_ = State::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ != State::kField || field_ == "dtype") reject("a list");
    state_ = field_ == "shape" ? State::kShape : State::kOffsets;
    return true;
  }

  bool end_array() override {
    if (state_ == State::kOffsets && offset_count_ != 2) {
      fail("data_offsets of tensor " + in_quotes(name_) + " are not two numbers");
    }
    state_ = State::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    fail("the header is not valid JSON at byte " + std::to_string(position));
  }

 private:
  enum class State {
    kStart,
    kTop,
    kTopValue,
    kMetadata,
    kMetadataValue,
    kTensor,
    kField,
    kShape,
    kOffsets,
  };
  static constexpr std::string_view kMetadataKey = "__metadata__";

  [[noreturn]] void fail(const std::string& problem) const { throw_corrupt(path_, problem); }

  [[noreturn]] void reject(const std::string& what) const {
    if (state_ == State::kStart) fail("the header is " + what + " where an object belongs");
    fail("the header has " + what + " where it does not belong, at " + in_quotes(name_));
  }

  const std::filesystem::path& path_;
  SafetensorsHeader header_;
  State state_ = State::kStart;
  std::string name_;
  std::string metadata_key_;
  std::string field_;
  std::set<std::string> fields_;  // of the current tensor
  SafetensorsEntry entry_;
  int offset_count_ = 0;
  bool seen_metadata_ = false;
};

std::string span_text(const SafetensorsEntry& entry) {
  std::string text = "data_offsets [";
  text += std::to_string(entry.begin);
  text += ", ";
  text += std::to_string(entry.end);
  return text + "]";
}

void check_entry(const std::string& name, const SafetensorsEntry& entry, std::uint64_t data_bytes,
                 const std::filesystem::path& path) {
  const auto fail = [&](const std::string& problem) {
    throw_corrupt(path, "tensor " + in_quotes(name) + " has " + problem);
  };
  if (entry.begin > entry.end) fail("the reversed " + span_text(entry));
  if (entry.end > data_bytes) {
    fail(span_text(entry) + " beyond the " + std::to_string(data_bytes) + " bytes of data");
  }
  const auto count = element_count(entry.shape);
  if (!count)
    throw_corrupt(path, "tensor " + in_quotes(name) + " has the impossible shape " + shape_text(entry.shape));
  // element_count() leaves room for a factor of 16.
  const std::uint64_t expected = *count * c10::elementSize(entry.dtype);
  if (expected != entry.end - entry.begin) {
    fail("type " + dtype_name(entry.dtype) + " and shape " + shape_text(entry.shape) + ", which take " +
         std::to_string(expected) + " bytes, but " + span_text(entry));
  }
}

void check_layout(const SafetensorsHeader& header, std::uint64_t data_bytes,
                  const std::filesystem::path& path) {
  std::vector<std::pair<const std::string, SafetensorsEntry> const*> order;
  for (const auto& item : header.entries) {
    check_entry(item.first, item.second, data_bytes, path);
    order.push_back(&item);
  }
  std::ranges::sort(order, {},
                    [](const auto* item) { return std::pair(item->second.begin, item->second.end); });
  std::uint64_t filled = 0;
  for (const auto* item : order) {
    const std::uint64_t begin = item->second.begin;
    if (begin != filled) {
      throw_corrupt(path, "tensor " + in_quotes(item->first) + " begins at byte " + std::to_string(begin) +
                              (begin < filled ? " inside the previous tensor, which ends at byte "
                                              : " and leaves a hole after byte ") +
                              std::to_string(filled));
    }
    filled = item->second.end;
  }
  if (filled != data_bytes) {
    throw_corrupt(path, "the tensors end at byte " + std::to_string(filled) + " of " +
                            std::to_string(data_bytes) + " bytes of data");
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view file, const std::filesystem::path& path) {
  std::uint64_t length = 0;
  if (file.size() < sizeof length) {
    throw_corrupt(path, "not a safetensors file: " + std::to_string(file.size()) +
                            " bytes are too few for the header length");
  }
  std::memcpy(&length, file.data(), sizeof length);
  if (length > kMaxHeaderBytes) {
    throw_corrupt(path, "not a safetensors file: a header of " + std::to_string(length) +
                            " bytes is over the limit of " + std::to_string(kMaxHeaderBytes));
  }
  if (length > file.size() - sizeof length) {
    throw_corrupt(path, "the header of " + std::to_string(length) + " bytes does not fit in the file of " +
                            std::to_string(file.size()) + " bytes");
  }
  HeaderReader reader(path);
  Json::sax_parse(file.substr(sizeof length, length), &reader);
  SafetensorsHeader header = reader.take();
  header.data_start = sizeof length + length;
  check_layout(header, file.size() - header.data_start, path);
  return header;
}

}  // namespace quiver
