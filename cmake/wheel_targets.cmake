# quiver_torch and quiver_arrow, from the wheels in QUIVER_DEPS_DIR. Also installed, for projects that link to Quiver.
if(TARGET quiver_torch)
  return()  # a project may call find_package(quiver) in several folders
endif()
if(NOT EXISTS "${QUIVER_DEPS_DIR}/torch/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch not found in ${QUIVER_DEPS_DIR}: run scripts/bootstrap, or set QUIVER_DEPS_DIR")
endif()

add_library(quiver_torch INTERFACE IMPORTED GLOBAL)
target_include_directories(quiver_torch SYSTEM INTERFACE
  "${QUIVER_DEPS_DIR}/torch/include"
  "${QUIVER_DEPS_DIR}/torch/include/torch/csrc/api/include")
# at::parallel_for is a header template: without -fopenmp it is a plain loop. The wheel carries the libgomp it needs.
target_compile_options(quiver_torch INTERFACE -fopenmp)
target_link_options(quiver_torch INTERFACE -fopenmp)
target_link_libraries(quiver_torch INTERFACE
  "${QUIVER_DEPS_DIR}/torch/lib/libtorch_cpu.so"
  "${QUIVER_DEPS_DIR}/torch/lib/libc10.so")

add_library(quiver_arrow INTERFACE IMPORTED GLOBAL)
target_include_directories(quiver_arrow SYSTEM INTERFACE "${QUIVER_DEPS_DIR}/pyarrow/include")
file(GLOB quiver_arrow_libraries
  "${QUIVER_DEPS_DIR}/pyarrow/libparquet.so.*00" "${QUIVER_DEPS_DIR}/pyarrow/libarrow.so.*00")
target_link_libraries(quiver_arrow INTERFACE ${quiver_arrow_libraries})
