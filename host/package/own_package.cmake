# ashlar_own_package(NAME NEEDS): what the folder that calls this installs from there on, the module NAME, goes into a
# Debian package of its own, ashlar-modules-NAME, so that who installs ashlar does not need NEEDS, a library.
add_library(ashlar_own_packages INTERFACE)  # its property ASHLAR_NAMES: of all of them, for the program's messages

macro(ashlar_own_package name needs)
  set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME modules_${name})
  set_property(GLOBAL APPEND PROPERTY ASHLAR_OWN_PACKAGES ${name})
  set_property(TARGET ashlar_own_packages APPEND PROPERTY ASHLAR_NAMES ${name})
  set_property(GLOBAL PROPERTY ASHLAR_OWN_PACKAGE_${name} "${needs}")
endmacro()
