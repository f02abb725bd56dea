# The server's page as a string in quiver_server.
set(page "${CMAKE_SOURCE_DIR}/src/server/page.html")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${page}")
file(READ "${page}" QUIVER_PAGE)
configure_file(cmake/page.cc.in "${CMAKE_BINARY_DIR}/page.cc" @ONLY)
target_sources(quiver_server PRIVATE "${CMAKE_BINARY_DIR}/page.cc")
