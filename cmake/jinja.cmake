# llama.cpp's Jinja engine, which runs chat templates: compiled into quiver_chat from the source in .deps/llama.cpp.
set(common "${QUIVER_DEPS_DIR}/llama.cpp/vendor/llama.cpp/common")
if(NOT EXISTS "${common}/jinja/runtime.cpp")
  message(FATAL_ERROR "llama.cpp's Jinja engine not found in ${QUIVER_DEPS_DIR}: run scripts/bootstrap, or set QUIVER_DEPS_DIR")
endif()

# The engine reads values out of llama.cpp's own JSON type, which would bring all of ggml: this one has what it calls.
file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/jinja/json.h"
  CONTENT "#pragma once\n#include <nlohmann/json.hpp>\nusing common_json = nlohmann::ordered_json;\n")
# `common` and not `common/jinja` is searched: the latter's string.h would hide the system's.
add_library(quiver_jinja OBJECT
  "${common}/jinja/lexer.cpp" "${common}/jinja/parser.cpp" "${common}/jinja/runtime.cpp"
  "${common}/jinja/string.cpp" "${common}/jinja/value.cpp" "${common}/unicode.cpp")
target_include_directories(quiver_jinja PRIVATE "${common}" "${CMAKE_BINARY_DIR}/jinja")
target_link_libraries(quiver_jinja PRIVATE nlohmann_json::nlohmann_json)
target_compile_options(quiver_jinja PRIVATE -w)

target_sources(quiver_chat PRIVATE $<TARGET_OBJECTS:quiver_jinja>)
target_include_directories(quiver_chat SYSTEM PRIVATE "${common}")
