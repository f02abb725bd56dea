#include "tensor/pickle.h"

#include <cstring>
#include <unordered_map>

#include "quiver/error.h"
#include "tensor/file_problem.h"
#include "tensor/pickle_objects.h"

namespace quiver {
namespace {

constexpr std::size_t kMaxPickleBytes = 64 << 20;

// The stack machine of Python's pickletools, protocol 2.
class PickleParser {
 public:
  PickleParser(std::string_view bytes, const std::filesystem::path& path)
      : bytes_(bytes.substr(0, kMaxPickleBytes)), path_(path), objects_(pickle_.nodes, path_) {}

  Pickle parse() {
    if (byte() != 0x80 || byte() != 2) fail("not a pickle of protocol 2");
    while (!step()) {
    }
    pickle_.size = place_;
    return std::move(pickle_);
  }

 private:
  // One opcode; true at the end of the pickle.
  bool step();

  [[noreturn]] void fail(const std::string& problem) const {
    throw_corrupt(path_, problem + ", at byte " + std::to_string(place_) + " of the pickle");
  }

  std::string_view take(std::size_t count) {
    if (count > bytes_.size() - place_) fail("the pickle ends within " + std::to_string(count) + " bytes");
    place_ += count;
    return bytes_.substr(place_ - count, count);
  }
  template <typename Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::uint8_t byte() { return number<std::uint8_t>(); }
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', place_);
    if (end == std::string_view::npos || end - place_ > 1000) fail("a name does not end");
    const std::string_view text = take(end - place_);
    take(1);
    return text;
  }
  double big_endian_double() {
    const std::string_view text = take(8);
    const std::string reversed(text.rbegin(), text.rend());
    double value;
    std::memcpy(&value, reversed.data(), sizeof value);
    return value;
  }
  std::int64_t long_number(std::size_t size) {
    const std::string_view text = take(size);
    if (size > 8) fail("a whole number of " + std::to_string(size) + " bytes");
    std::uint64_t value = size > 0 && static_cast<signed char>(text.back()) < 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(text[i]);
    return static_cast<std::int64_t>(value);
  }

  void push(PickleId id) { stack_.push_back(id); }
  void push_new(PickleNode node) { push(objects_.add(std::move(node))); }
  // Never below the last mark: what lies there belongs to an object that is not finished.
  PickleId pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("the pickle takes from an empty stack");
    const PickleId id = stack_.back();
    stack_.pop_back();
    return id;
  }
  PickleId top() {
    const PickleId id = pop();
    push(id);
    return id;
  }
  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) fail("the pickle lacks a mark");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleId> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }
  void push_tuple(std::size_t size) {
    PickleList tuple{std::vector<PickleId>(size)};
    while (size > 0) tuple.items[--size] = pop();
    push_new(std::move(tuple));
  }
  void append(const std::vector<PickleId>& items) {
    auto* list = std::get_if<PickleList>(&pickle_.nodes[top()]);
    if (list == nullptr) fail("the pickle appends to what is no list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<PickleId>& items) {
    auto* dict = std::get_if<PickleDict>(&pickle_.nodes[top()]);
    if (dict == nullptr || items.size() % 2 != 0) fail("the pickle sets items of what is no dict");
    for (std::size_t i = 0; i < items.size(); i += 2) dict->entries.emplace_back(items[i], items[i + 1]);
  }
  void remember(std::uint32_t key) { memo_[key] = top(); }
  void recall(std::uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("the pickle recalls what it did not remember");
    // A reference costs memory in whatever holds it, as an object does.
    if (++recalled_ > kMaxRecalled) fail("the pickle recalls more than " + std::to_string(kMaxRecalled));
    push(found->second);
  }

  static constexpr std::size_t kMaxRecalled = 4 << 20;

  std::string_view bytes_;
  const std::filesystem::path& path_;
  std::size_t place_ = 0;
  Pickle pickle_;
  PickleObjects objects_;
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack
  std::unordered_map<std::uint32_t, PickleId> memo_;
  std::size_t recalled_ = 0;
};

bool PickleParser::step() {
  const std::uint8_t opcode = byte();
  switch (opcode) {
    case '.':
      pickle_.root = pop();
      if (!stack_.empty() || !marks_.empty()) fail("the pickle ends with unfinished objects");
      return true;
    case '(':
      if (marks_.size() == kMaxRecalled) fail("the pickle has too many marks");
      marks_.push_back(stack_.size());
      break;
    case 'N':
      push_new(PickleNone{});
      break;
    case 0x88:
      push_new(true);
      break;
    case 0x89:
      push_new(false);
      break;
    case 'J':
      push_new(std::int64_t{number<std::int32_t>()});
      break;
    case 'K':
      push_new(std::int64_t{byte()});
      break;
    case 'M':
      push_new(std::int64_t{number<std::uint16_t>()});
      break;
    case 0x8a:
      push_new(long_number(byte()));
      break;
    case 'G':
      push_new(big_endian_double());
      break;
    case 'X':
    case 'T':
      push_new(PickleText{take(number<std::uint32_t>())});
      break;
    case 'U':
      push_new(PickleText{take(byte())});
      break;
    case ']':
    case ')':
      push_new(PickleList{});
      break;
    case '}':
      push_new(PickleDict{});
      break;
    case 'a':
      append({pop()});
      break;
    case 'e':
      append(pop_to_mark());
      break;
    case 's': {
      const PickleId value = pop();
      set_items({pop(), value});
      break;
    }
    case 'u':
      set_items(pop_to_mark());
      break;
    case 't':
      push_new(PickleList{pop_to_mark()});
      break;
    case 0x85:
    case 0x86:
    case 0x87:
      push_tuple(opcode - 0x84u);
      break;
    case 'q':
      remember(byte());
      break;
    case 'r':
      remember(number<std::uint32_t>());
      break;
    case 'h':
      recall(byte());
      break;
    case 'j':
      recall(number<std::uint32_t>());
      break;
    case 'c': {
      const std::string_view module = line();
      push_new(objects_.global(module, line()));
      break;
    }
    case 'R': {
      const PickleId arguments = pop();
      push(objects_.call(pop(), arguments));
      break;
    }
    case 'b': {
      const PickleId state = pop();
      objects_.set_state(top(), state);
      break;
    }
    case 'Q':
      push_new(objects_.storage(pop()));
      break;
    default: {
      constexpr char kDigits[] = "0123456789abcdef";
      fail(std::string("the pickle has the opcode 0x") + kDigits[opcode >> 4] + kDigits[opcode & 15] +
           ", which torch.save does not write");
    }
  }
  return false;
}

}  // namespace

Pickle parse_pickle(std::string_view bytes, const std::filesystem::path& path) {
  return PickleParser(bytes, path).parse();
}

}  // namespace quiver
