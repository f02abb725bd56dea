# Imported targets for what Quiver links to. LibTorch and Arrow come from wheels, so they are described here by hand:
# LibTorch's own package file would ask for a CUDA toolkit, and the Arrow wheel carries none.
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

include(${CMAKE_CURRENT_LIST_DIR}/wheel_targets.cmake)
