# ashlar_add_module(<plugin|filter> NAME SOURCE... [CHECK_ARGS WORD...] [NO_CHECK])
#
# Builds NAME.so, a module that exports nothing but ashlar_entry. The target is called ashlar-<plugin|filter>-NAME;
# link further libraries to it with target_link_libraries(). In ashlar's own tree the module goes to
# lib/ashlar/{plugins,filters} and is installed there; elsewhere it is left in the build folder, which can be named in
# [server] module_path, is compiled with -Wall -Wextra, and optimised unless CMAKE_BUILD_TYPE says otherwise. There it
# gets a test, too: check-<plugin|filter>-NAME runs ashlar-check on it, unless NO_CHECK says not to. CHECK_ARGS are
# words for that: parameters of the module, KEY=VALUE, and options, such as --write, which lets it overwrite what a
# plugin serves.
function(ashlar_add_module kind name)
  if(NOT kind MATCHES "^(plugin|filter)$")
    message(FATAL_ERROR "ashlar_add_module: the kind is plugin or filter, not \"${kind}\"")
  endif()
  cmake_parse_arguments(arg "NO_CHECK" "" "CHECK_ARGS" ${ARGN})
  set(target ashlar-${kind}-${name})
  add_library(${target} MODULE ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${target} PRIVATE ashlar::sdk)
  # -fno-gnu-unique: a unique symbol would keep the library from ever being unloaded.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
  target_link_options(${target} PRIVATE LINKER:--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/module.map)
  if(NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize" AND NOT ASHLAR_SANITIZE)
    target_link_options(${target} PRIVATE LINKER:-z,defs)  # a module has no undefined host symbol
  endif()
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${name} SUFFIX .so
    CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  if(ASHLAR_MODULE_OUTPUT)
    target_link_libraries(${target} PRIVATE ashlar_build)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${ASHLAR_MODULE_OUTPUT}/${kind}s)
    set_property(GLOBAL APPEND PROPERTY ASHLAR_MODULES ${kind}/${name})  # for the manual
    install(TARGETS ${target} LIBRARY DESTINATION ${ASHLAR_MODULE_INSTALL}/${kind}s)
  else()
    # Without a build type CMake would not optimise; what Release does is done for the module alone.
    target_compile_options(${target} PRIVATE -Wall -Wextra "$<$<CONFIG:>:-O3;-DNDEBUG>")
    if(NOT arg_NO_CHECK)
      ashlar_add_check(${target} check-${kind}-${name} ${arg_CHECK_ARGS})
    endif()
  endif()
endfunction()

# ashlar_add_check(TARGET NAME [WORD...]): a test that runs ashlar-check on the module that the target builds.
function(ashlar_add_check target name)
  set(options ${ARGN})
  set(parameters ${ARGN})
  list(FILTER options INCLUDE REGEX "^-")
  list(FILTER parameters EXCLUDE REGEX "^-")
  # Installed beside.
  get_filename_component(program ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../../../bin/ashlar-check ABSOLUTE)
  add_test(NAME ${name} COMMAND ${program} ${options} $<TARGET_FILE:${target}> ${parameters})
  set_tests_properties(${name} PROPERTIES TIMEOUT 120)
endfunction()
