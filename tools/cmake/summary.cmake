# One table at the end of configure: what was found and what that costs.
get_property(libraries GLOBAL PROPERTY MT_LIBRARIES)
list(TRANSFORM libraries REPLACE "^metatape_" "")
list(JOIN libraries " " libraries)

set(command "no sources in tools/metatape yet: libraries only")
if(TARGET metatape)
  set(command "${PROJECT_BINARY_DIR}/bin/metatape")
endif()
set(tests "off: nothing is checked")
if(MT_BUILD_TESTS)
  set(tests "GoogleTest ${GTest_VERSION}")
endif()
set(cpu "the compiler's default: kernels may run several times slower")
if(MT_CPU_ARCH)
  set(cpu "${MT_CPU_ARCH}: needs a processor that has it (-DMT_CPU_ARCH= for any)")
endif()
set(onednn "off (MT_ONEDNN=OFF): direct convolution through BLAS")
if(TARGET oneDNN::dnnl)
  get_target_property(onednn oneDNN::dnnl IMPORTED_LOCATION)
elseif(MT_ONEDNN)
  set(onednn "not found: direct convolution through BLAS, at 0.7 of its speed")
endif()
set(mpi "off (MT_MPI=OFF): one process")
if(MT_HAVE_MPI)
  set(mpi "MPI ${MPI_CXX_VERSION}, ${MPIEXEC_EXECUTABLE}")
elseif(MT_MPI)
  set(mpi "not found: one process; install libopenmpi-dev and openmpi-bin for several")
endif()
set(nccl "off (MT_NCCL=OFF): one GPU")
if(MT_EMULATION)
  set(nccl "emulated, between the threads of a test")
elseif(NOT MT_BUILD_CUDA)
  set(nccl "not used without CUDA")
elseif(TARGET NCCL::nccl)
  get_target_property(nccl NCCL::nccl IMPORTED_LOCATION)
elseif(MT_NCCL)
  set(nccl "not found: one GPU; install libnccl-dev for several")
endif()
set(sanitizers "none")
if(MT_SANITIZE)
  set(sanitizers "${MT_SANITIZE}: runs are several times slower")
endif()
set(ccache "not found: rebuilding from nothing takes minutes")
if(CCACHE)
  set(ccache "${CCACHE}")
endif()

message(STATUS "metatape ${PROJECT_VERSION}
     compiler     ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, ${CMAKE_BUILD_TYPE}
     processor    ${cpu}
     CUDA         ${MT_CUDA_STATE}
     emulation    ${MT_EMULATION}
     BLAS         OpenBLAS ${openblas_VERSION}, OpenMP ${OpenMP_CXX_VERSION}
     oneDNN       ${onednn}
     ranks        ${mpi}
     GPU ranks    ${nccl}
     decoders     libarchive ${LibArchive_VERSION}, libpng ${PNG_VERSION_STRING}, libjpeg ${JPEG_VERSION}
     libraries    ${libraries}
     command      ${command}
     tests        ${tests}
     sanitizers   ${sanitizers}
     ccache       ${ccache}
")
