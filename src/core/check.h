#pragma once

#include <sstream>

namespace quiver {

// Reports a bug of Quiver itself and aborts. Never reachable from input.
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& detail);

}  // namespace quiver

// QUIVER_CHECK(condition, detail...): our own invariants. Bad input throws quiver::Error instead.
#define QUIVER_CHECK(condition, ...)                                                              \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      ::quiver::check_failed(__FILE__, __LINE__, #condition, ::quiver::join_detail(__VA_ARGS__)); \
    }                                                                                             \
  } while (false)

namespace quiver {

template <typename... Parts>
std::string join_detail(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace quiver
