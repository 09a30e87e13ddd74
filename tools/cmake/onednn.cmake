# oneDNN as the target oneDNN::dnnl, if it is installed. Its own package file is not used: Debian's
# asks for OpenCL, which nothing here needs. Installed with our package, whose users link it too.
if(NOT TARGET oneDNN::dnnl)
  find_path(oneDNN_INCLUDE_DIR dnnl.hpp)
  find_library(oneDNN_LIBRARY dnnl)
  mark_as_advanced(oneDNN_INCLUDE_DIR oneDNN_LIBRARY)
  if(oneDNN_INCLUDE_DIR AND oneDNN_LIBRARY)
    add_library(oneDNN::dnnl UNKNOWN IMPORTED)
    set_target_properties(oneDNN::dnnl PROPERTIES
      IMPORTED_LOCATION ${oneDNN_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${oneDNN_INCLUDE_DIR})
  endif()
endif()
