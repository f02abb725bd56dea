#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace quiver::program {

// Why an option does not take a value as it was written, as the rest of a sentence: "is not a whole number of
// at least 1". Nothing where it does. What is refused so is wrong usage, whatever the files say.
using ValueCheck = std::function<std::optional<std::string>(const std::string&)>;

// Whole numbers, in decimal.
ValueCheck whole_number(std::int64_t least, std::int64_t most = std::numeric_limits<std::int64_t>::max());

// Finite numbers. `wanted` says the range: "above 0".
ValueCheck finite_number(std::function<bool(double)> fits, std::string wanted);
ValueCheck number_above_zero();
ValueCheck number_not_negative();
ValueCheck share();  // 0 to 1, both included

// One of these words; a near one is named.
ValueCheck one_of(std::vector<std::string> words);

// What the library's own parser takes; it throws quiver::Error.
ValueCheck parsed_by(std::function<void(const std::string&)> parse);

}  // namespace quiver::program
