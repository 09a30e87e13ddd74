include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/metatape)
get_property(libraries GLOBAL PROPERTY MT_LIBRARIES)
install(TARGETS ${libraries} EXPORT metatapeTargets)
install(EXPORT metatapeTargets NAMESPACE metatape:: DESTINATION ${package_folder})
if(TARGET metatape)
  install(TARGETS metatape)
endif()
install(DIRECTORY engine kernels models meta DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/metatape
        FILES_MATCHING PATTERN "*.h" PATTERN "*.def")
install(DIRECTORY meta/recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/metatape
        FILES_MATCHING PATTERN "*.json")

configure_package_config_file(tools/cmake/metatapeConfig.cmake.in metatapeConfig.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(metatapeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/metatapeConfig.cmake
              ${PROJECT_BINARY_DIR}/metatapeConfigVersion.cmake
              tools/cmake/mpi.cmake tools/cmake/mt_find_library.cmake tools/cmake/nccl.cmake
              tools/cmake/onednn.cmake
        DESTINATION ${package_folder})
