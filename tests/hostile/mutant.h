#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace quiver::test {

// Changes `bytes` in one to four places, as bad disks, cut transfers, editors and attackers do: bits and
// bytes, cuts, pieces left out, doubled or exchanged; numbers that become huge, negative or no numbers;
// words of JSON replaced. The seed decides, with the same result on every machine.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::string mutate(std::string bytes) {
    const std::uint64_t places = 1 + below(4);
    for (std::uint64_t i = 0; i < places; ++i) change(bytes);
    return bytes;
  }

 private:
  // The remainder's bias does not matter here; a distribution of the standard library differs by platform.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }

  // Headers decide most, and are small: half of all places lie among the first bytes.
  std::size_t place(const std::string& bytes) {
    const std::size_t size = below(2) == 0 ? std::min<std::size_t>(bytes.size(), 2048) : bytes.size();
    return static_cast<std::size_t>(below(size));
  }

  void change(std::string& bytes) {
    if (bytes.empty()) return;
    const std::size_t at = place(bytes);
    const auto length = static_cast<std::size_t>(1 + below(64));
    switch (below(9)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, length);
        break;
      case 4:
        bytes.insert(at, bytes.substr(place(bytes), length));
        break;
      case 5: {  // the bytes of a number that says a size
        const std::string number(8, below(2) == 0 ? '\xff' : static_cast<char>(below(128)));
        bytes.replace(at, std::min<std::size_t>(below(2) == 0 ? 4 : 8, bytes.size() - at), number);
        break;
      }
      default:
        change_word(bytes, at);
    }
  }

  // Replaces the next number or quoted word at or after `at`; half the time by as many bytes, so that what
  // follows it stays where a binary header says.
  void change_word(std::string& bytes, std::size_t at) {
    const bool digits = below(2) == 0;
    const std::size_t begin = bytes.find_first_of(digits ? "0123456789" : "\"", at);
    if (begin == std::string::npos) return;
    const std::size_t end =
        digits ? bytes.find_first_not_of("0123456789.eE+-", begin) : bytes.find('"', begin + 1);
    if (end == std::string::npos) return;
    const std::size_t length = end - begin + (digits ? 0 : 1);
    static const std::string words[] = {"0",
                                        "-1",
                                        "1e308",
                                        "1e999",
                                        "NaN",
                                        "4294967296",
                                        "9223372036854775807",
                                        "99999999999999999999",
                                        "0.5",
                                        "null",
                                        "true",
                                        "[]",
                                        "{}",
                                        "\"\"",
                                        "\"\\u0000\"",
                                        "\"a\\nb\\u001b[31m\"",
                                        "\"../../x\"",
                                        "\"\xff\xfe\""};
    std::string word = words[below(std::size(words))];
    if (below(2) == 0) word = digits ? std::string(length, '9') : std::string(length, ' ');
    bytes.replace(begin, length, word);
  }

  std::mt19937_64 random_;
};

}  // namespace quiver::test
