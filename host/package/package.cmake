# Debian packages: `cpack -G DEB` in the build folder makes ashlar, libashlar-dev, and ashlar-modules-NAME for each
# module that needs a library which not everybody wants (own_package.cmake). Who makes them is named by
# -D CPACK_PACKAGE_CONTACT="NAME <ADDRESS>".
set(CPACK_PACKAGE_VENDOR "the ashlar authors")
set(CPACK_PACKAGE_CONTACT "the ashlar authors <ashlar@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "NBD server of plugins and filters")
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
# The units name the program where it will be, not where the package is put together.
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
  WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/finish.cmake)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
get_property(own_packages GLOBAL PROPERTY ASHLAR_OWN_PACKAGES)
set(CPACK_ASHLAR_GROUPS server sdk)
foreach(name IN LISTS own_packages)
  list(APPEND CPACK_ASHLAR_GROUPS modules_${name})
endforeach()
set(CPACK_COMPONENTS_ALL server manual systemd sdk)
list(APPEND CPACK_COMPONENTS_ALL ${CPACK_ASHLAR_GROUPS})
list(REMOVE_DUPLICATES CPACK_COMPONENTS_ALL)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME ashlar)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION net)
set(CPACK_DEBIAN_SERVER_PACKAGE_SUGGESTS "libnbd-bin, libnbd0, qemu-utils")
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA
  "${CMAKE_CURRENT_LIST_DIR}/postinst;${CMAKE_CURRENT_LIST_DIR}/prerm;${CMAKE_CURRENT_LIST_DIR}/postrm")
# Below the summary.
set(CPACK_DEBIAN_SERVER_DESCRIPTION "Serves disks over the network block device protocol: images, block
devices and memory, through filters that stand in a chain. With units for
systemd, which are not enabled, and example configs.")

set(CPACK_DEBIAN_SDK_PACKAGE_NAME libashlar-dev)
set(CPACK_DEBIAN_SDK_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_SDK_PACKAGE_RECOMMENDS "ashlar, cmake | pkg-config, g++")
set(CPACK_DEBIAN_SDK_DESCRIPTION "To build modules for it: headers, files for CMake and pkg-config, examples,
and ashlar-check, which tries whether a module keeps what all promise.")

foreach(name IN LISTS own_packages)
  get_property(needs GLOBAL PROPERTY ASHLAR_OWN_PACKAGE_${name})
  string(TOUPPER MODULES_${name} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ashlar-modules-${name})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION net)
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "ashlar (= ${PROJECT_VERSION})")
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "The module ${name} of the server ashlar, which needs ${needs}. What it does
and takes is in ashlar-${name}(7).")
  string(APPEND CPACK_DEBIAN_SERVER_PACKAGE_SUGGESTS ", ashlar-modules-${name}")
endforeach()

include(CPack)
foreach(group IN LISTS CPACK_ASHLAR_GROUPS)
  cpack_add_component_group(${group})
  cpack_add_component(${group} GROUP ${group})
endforeach()
foreach(component manual systemd)
  cpack_add_component(${component} GROUP server)
endforeach()
