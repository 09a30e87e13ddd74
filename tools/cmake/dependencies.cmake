# All from the system's packages (tools/install_dependencies names them); nothing is downloaded.
find_package(PkgConfig REQUIRED)
pkg_check_modules(openblas REQUIRED IMPORTED_TARGET openblas)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)

# Decoders of foreign files, for meta/data alone.
find_package(LibArchive REQUIRED)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)

find_package(CLI11 REQUIRED)
if(MT_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(MT_BUILD_CUDA)
  find_package(CUDAToolkit REQUIRED)
endif()
