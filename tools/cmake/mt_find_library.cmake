# mt_find_library(<package>::<name> <header> <library> [<hint>...]): a library that has no package file
# of use, as that target, if it is installed. <package>_INCLUDE_DIR and <package>_LIBRARY can be set.
# Installed with our package, whose users link such libraries too.
function(mt_find_library target header library)
  if(TARGET ${target})
    return()
  endif()
  string(REGEX REPLACE "::.*" "" package ${target})
  find_path(${package}_INCLUDE_DIR ${header} HINTS ${ARGN})
  find_library(${package}_LIBRARY ${library} HINTS ${ARGN})
  mark_as_advanced(${package}_INCLUDE_DIR ${package}_LIBRARY)
  if(${package}_INCLUDE_DIR AND ${package}_LIBRARY)
    add_library(${target} UNKNOWN IMPORTED)
    set_target_properties(${target} PROPERTIES
      IMPORTED_LOCATION ${${package}_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${${package}_INCLUDE_DIR})
  endif()
endfunction()
