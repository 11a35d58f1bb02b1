include(${CMAKE_CURRENT_LIST_DIR}/ashlar-sdk-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/ashlar_add_module.cmake)
# For the tests that ashlar_add_module() adds. In that function it would have no effect on the folder that calls it.
enable_testing()
