include(CheckLanguage)

set(MT_CUDA AUTO CACHE STRING "CUDA kernels: AUTO (if there are a compiler and a GPU), ON or OFF")
set_property(CACHE MT_CUDA PROPERTY STRINGS AUTO ON OFF)
option(MT_EMULATION "Run the CUDA kernels on the CPU, under the emulation header" OFF)
option(MT_ONEDNN "Direct convolution on the CPU by oneDNN, where it is installed" ON)
option(MT_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(MT_BUILD_BENCH "Build the benchmarks" OFF)
option(MT_WARNINGS_AS_ERRORS "Stop at a compiler warning" OFF)
set(MT_SANITIZE "" CACHE STRING "Sanitizers, separated by commas: address,undefined")
set(default_cpu "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(default_cpu x86-64-v3)  # AVX2 and FMA: Intel since 2013, AMD since 2015
endif()
set(MT_CPU_ARCH "${default_cpu}" CACHE STRING "Value of -march for our targets; empty: the compiler's")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
# Kernels ask for -O3 themselves; elsewhere nothing runs long enough to repay a longer build.
string(REPLACE "-O3" "-O1" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
if(CCACHE)
  foreach(language CXX CUDA)
    if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${CCACHE})
    endif()
  endforeach()
endif()

if(MT_SANITIZE)
  add_compile_options(-fsanitize=${MT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MT_SANITIZE})
endif()

# Sets MT_CUDA_STATE for the summary and, if there are CUDA sources to build, enables the language.
file(GLOB MT_CUDA_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*/*.cu)
set(MT_BUILD_CUDA OFF)
if(NOT MT_CUDA)
  set(MT_CUDA_STATE "off (MT_CUDA=OFF): runs use the CPU")
else()
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    if(NOT MT_CUDA STREQUAL AUTO)
      message(FATAL_ERROR "MT_CUDA=${MT_CUDA}, but no CUDA compiler was found. Put nvcc on the PATH, "
                          "set CUDACXX to it, or configure with -DMT_CUDA=OFF.")
    endif()
    set(MT_CUDA_STATE "no compiler found: runs use the CPU")
  elseif(MT_CUDA STREQUAL AUTO AND NOT EXISTS /dev/nvidiactl AND NOT EXISTS /dev/dxg)  # Linux, WSL
    set(MT_CUDA_STATE "compiler found, but no GPU: runs use the CPU; MT_CUDA=ON builds for others")
  else()
    set(MT_BUILD_CUDA ON)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      # A100, H100 and H200, RTX 50; the last one as PTX too, for what comes after. "native" and
      # "all" fail with CMake 3.25 and CUDA 13.
      set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real 120)
    endif()
    enable_language(CUDA)
    # CMake 3.25.1 (Debian 12) does not know that nvcc >= 12 can do C++20; fixed in 3.25.2.
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION AND CMAKE_CUDA_COMPILER_ID STREQUAL NVIDIA
       AND CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.0)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    set(MT_CUDA_STATE "nvcc ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
  endif()
endif()
