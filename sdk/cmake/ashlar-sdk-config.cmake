include(${CMAKE_CURRENT_LIST_DIR}/ashlar-sdk-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/ashlar_add_module.cmake)
