#include "failure.h"

#include <c10/util/Exception.h>

#include <filesystem>
#include <new>
#include <string>

namespace quiver::program {
namespace {

constexpr char kMemoryHint[] = "a smaller model or batch, or shorter texts, need less";

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

Error describe_torch(const std::string& text) {
  // Of LibTorch's allocator: "[enforce fail at FILE] . DefaultCPUAllocator: can't allocate memory: you tried
  // to allocate N bytes. Error code 12 (Cannot allocate memory)".
  constexpr std::string_view kAsked = "you tried to allocate ";
  if (const std::size_t at = text.find(kAsked); at != std::string::npos) {
    const std::string bytes = text.substr(at + kAsked.size());
    return {
        ErrorKind::kIo,
        "there is not enough memory: " + bytes.substr(0, bytes.find(' ')) + " bytes were asked for at once",
        kMemoryHint};
  }
  return {ErrorKind::kUnsupported, "LibTorch cannot go on: " + first_line(text)};
}

Error describe_file_system(const std::filesystem::filesystem_error& failure) {
  std::string places;
  for (const std::filesystem::path& path : {failure.path1(), failure.path2()}) {
    if (path.empty()) continue;
    places += (places.empty() ? " '" : " and '") + path.string() + "'";
  }
  return {ErrorKind::kIo, "the system refused to use" + (places.empty() ? " a file" : places) + ": " +
                              failure.code().message()};
}

}  // namespace

Error describe_failure(const std::exception& failure) {
  if (const auto* error = dynamic_cast<const Error*>(&failure)) return *error;
  if (const auto* torch = dynamic_cast<const c10::Error*>(&failure))
    return describe_torch(torch->what_without_backtrace());
  if (const auto* files = dynamic_cast<const std::filesystem::filesystem_error*>(&failure))
    return describe_file_system(*files);
  if (dynamic_cast<const std::bad_alloc*>(&failure) != nullptr)
    return {ErrorKind::kIo, "there is not enough memory", kMemoryHint};
  return {ErrorKind::kUnsupported,
          "something went wrong that Quiver has no words for: " + first_line(failure.what())};
}

}  // namespace quiver::program
