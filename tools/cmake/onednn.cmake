# oneDNN as the target oneDNN::dnnl. Debian's package file asks for OpenCL, which nothing here needs.
include(${CMAKE_CURRENT_LIST_DIR}/mt_find_library.cmake)
mt_find_library(oneDNN::dnnl dnnl.hpp dnnl)
