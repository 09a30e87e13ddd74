# mt_configure(<target>): the compiler flags of our own code.
function(mt_configure target)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra
      # {.stride = 2} leaves the other options at their defaults on purpose.
      -Wno-missing-field-initializers
      # One rounding per operation, wherever the code is inlined: the same bits in every build.
      -ffp-contract=off>
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${MT_WARNINGS_AS_ERRORS}>>:-Werror>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)  # our pragmas are hints to g++
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-unknown-pragmas>)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # A false alarm of g++ 12 for "text" + std::string (GCC bug 105651).
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
  endif()
  if(MT_CPU_ARCH)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-march=${MT_CPU_ARCH}>)
  endif()
endfunction()

# mt_add_library(<name> <source>...): static library metatape_<name>, alias metatape::<name>, whose
# headers are included from the project's root. Without sources there is no target.
function(mt_add_library name)
  if(NOT ARGN)
    return()
  endif()
  set(target metatape_${name})
  add_library(${target} STATIC ${ARGN})
  add_library(metatape::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                              $<INSTALL_INTERFACE:include/metatape>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  mt_configure(${target})
  set_property(GLOBAL APPEND PROPERTY MT_LIBRARIES ${target})
endfunction()

# mt_link(<target> <scope> <name>...): links those of our libraries that exist.
function(mt_link target scope)
  foreach(name ${ARGN})
    if(TARGET metatape_${name})
      target_link_libraries(${target} ${scope} metatape_${name})
    endif()
  endforeach()
endfunction()

# mt_emulate(<target>): the compiler of C++ takes its .cu files, for kernels/emulation.
function(mt_emulate target)
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "[.]cu$")
  set_source_files_properties(${sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++")
  target_link_libraries(${target} PUBLIC metatape_emulation)
endfunction()
