# `cmake --install`: the program, the public headers and a package that find_package(quiver) finds.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
get_property(layers GLOBAL PROPERTY quiver_layers)
install(TARGETS quiver ${layers} EXPORT quiver_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS quiver_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS quiver_engine RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/quiver)
install(DIRECTORY include/quiver DESTINATION include)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/quiver)
install(EXPORT quiver_targets NAMESPACE quiver:: DESTINATION ${package_dir})
configure_package_config_file(cmake/quiver-config.cmake.in quiver-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(quiver-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/quiver-config.cmake" "${CMAKE_BINARY_DIR}/quiver-config-version.cmake"
  cmake/dependencies.cmake cmake/wheel_targets.cmake DESTINATION ${package_dir})
