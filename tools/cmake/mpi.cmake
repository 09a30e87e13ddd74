# MPI as the target MPI::MPI_CXX, if it is installed; its C++ bindings, long withdrawn, are not used.
# Installed with our package, whose users link it too.
if(NOT TARGET MPI::MPI_CXX)
  set(MPI_CXX_SKIP_MPICXX ON)
  find_package(MPI COMPONENTS CXX QUIET)
endif()
