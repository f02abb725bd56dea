# One static library per folder of src/, with the dependencies that docs/layers.txt allows it.

# Third-party targets a layer uses besides the layers it includes.
set(quiver_core_extra nlohmann_json::nlohmann_json OpenSSL::Crypto PkgConfig::PCRE2 Threads::Threads)
set(quiver_text_extra PkgConfig::UTF8PROC)
set(quiver_tensor_extra quiver_torch)
set(quiver_kernels_extra quiver_torch)
set(quiver_data_extra quiver_arrow PkgConfig::UTF8PROC)
# Layers without tensors: they must not pay for LibTorch's headers.
set(quiver_light_layers core storage text data measures report http protocol)

function(quiver_add_precompiled_header name)
  file(WRITE "${CMAKE_BINARY_DIR}/${name}_anchor.cc" "")
  add_library(${name} OBJECT "${CMAKE_BINARY_DIR}/${name}_anchor.cc")
  target_link_libraries(${name} PRIVATE nlohmann_json::nlohmann_json)
  target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()

# Programs would be compiled with -fPIE, which is not how a precompiled header of libraries was.
function(quiver_reuse_precompiled_header target header)
  target_precompile_headers(${target} REUSE_FROM ${header})
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
endfunction()

# The precompiled header that a target of this folder shares.
function(quiver_share_precompiled_header target folder)
  if(folder IN_LIST quiver_light_layers OR folder STREQUAL "fuzz")
    quiver_reuse_precompiled_header(${target} quiver_light_pch)
  else()
    quiver_reuse_precompiled_header(${target} quiver_pch)
  endif()
  # GCC 12 again (bug 105329), which a precompiled <string> does not always hide.
  if(folder IN_LIST quiver_light_layers OR folder MATCHES "^(fuzz|experiment)$")
    target_compile_options(${target} PRIVATE -Wno-array-bounds)
  endif()
endfunction()

function(quiver_add_layers file)
  # Two precompiled headers: LibTorch's headers cost 12 s a file, JSON's 2 s. Every file pays for the templates that a
  # precompiled header leaves open, used or not: 0.4 s for JSON, 1.3 s with LibTorch's operators; its autograd would
  # make that 3.5 s, and the few files that need it include it themselves.
  set(headers <nlohmann/json.hpp> <algorithm> <filesystem> <functional> <map> <memory> <optional> <string> <vector>)
  quiver_add_precompiled_header(quiver_light_pch ${headers})
  quiver_add_precompiled_header(quiver_pch <ATen/ATen.h> <ATen/Parallel.h> ${headers})
  target_link_libraries(quiver_pch PRIVATE quiver_torch)

  file(STRINGS "${file}" lines)
  set(layers "")
  foreach(line IN LISTS lines)
    if(line MATCHES "^([a-z]+):([^|]*)")
      set(layer "${CMAKE_MATCH_1}")
      separate_arguments(deps UNIX_COMMAND "${CMAKE_MATCH_2}")
      file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${layer}/*.cc")
      if(sources)
        add_library(quiver_${layer} STATIC ${sources})
        target_include_directories(quiver_${layer} PUBLIC
          $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>
          $<INSTALL_INTERFACE:include>)
        target_link_libraries(quiver_${layer} PUBLIC ${quiver_${layer}_extra})
        foreach(dep IN LISTS deps)
          if(TARGET quiver_${dep})
            target_link_libraries(quiver_${layer} PUBLIC quiver_${dep})
          endif()
        endforeach()
        quiver_share_precompiled_header(quiver_${layer} ${layer})
        list(APPEND layers quiver_${layer})
      endif()
    endif()
  endforeach()
  # Inner loops without tensors: -ffast-math lets exp vectorize, and forbids the shared precompiled header. Optimized in
  # every build: block products have the bits of these loops, of which the compiler fuses products and sums.
  set_source_files_properties("${CMAKE_SOURCE_DIR}/src/kernels/row_loops.cc"
    "${CMAKE_SOURCE_DIR}/src/kernels/dot_products.cc" "${CMAKE_SOURCE_DIR}/src/kernels/token_attention.cc"
    PROPERTIES COMPILE_OPTIONS "-ffast-math;$<$<CONFIG:Debug>:-O2>" SKIP_PRECOMPILE_HEADERS ON)
  # The same bits from all three: a product and a sum are rounded at once only where it is written so.
  set_source_files_properties("${CMAKE_SOURCE_DIR}/src/kernels/block_products_avx512.cc"
    "${CMAKE_SOURCE_DIR}/src/kernels/block_products_avx2.cc" "${CMAKE_SOURCE_DIR}/src/tensor/dequantize.cc"
    PROPERTIES COMPILE_OPTIONS "-ffp-contract=off" SKIP_PRECOMPILE_HEADERS ON)
  # LibTorch's autograd costs 5 s wherever it is included: these are compiled as one file.
  set(autograd_kernels "")
  foreach(kernel attention linear loss low_rank norm swiglu)
    list(APPEND autograd_kernels "${CMAKE_SOURCE_DIR}/src/kernels/${kernel}.cc")
  endforeach()
  set_source_files_properties(${autograd_kernels} PROPERTIES UNITY_GROUP autograd)
  set_target_properties(quiver_kernels PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  set_property(GLOBAL PROPERTY quiver_layers "${layers}")
  add_library(quiver INTERFACE)
  target_compile_features(quiver INTERFACE cxx_std_20)
  target_link_libraries(quiver INTERFACE ${layers})
endfunction()
