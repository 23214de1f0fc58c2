# What `cmake --install` puts in place: the headers, with the sources of dvd::compiled, a package that
# find_package(dvd) finds, and the weights that come with the library. Nothing compiled: dvd::compiled, dvd::cuda and
# dvd::shapes_weights each project compiles for itself. The programs are a component of their own, which is installed only
# where it is asked for: cmake --install BUILD --component dvd_programs.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/dvd")
set(dvd_weights_install_folder "${CMAKE_INSTALL_DATADIR}/dvd/weights")
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME dvd_library)

install(DIRECTORY include/dvd DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp"
        PATTERN "*.cuh" PATTERN "*.cpp")
install(DIRECTORY weights/ DESTINATION "${dvd_weights_install_folder}" FILES_MATCHING PATTERN "*.safetensors")

install(TARGETS dvd EXPORT dvd-targets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT dvd-targets NAMESPACE dvd:: DESTINATION "${package_dir}")
foreach(component IN LISTS dvd_components)
  if(TARGET dvd_${component} AND NOT component MATCHES "^(compiled|cuda|nccl|shapes_weights)$")
    install(TARGETS dvd_${component} EXPORT dvd-${component}-targets)
    install(EXPORT dvd-${component}-targets NAMESPACE dvd:: DESTINATION "${package_dir}")
  endif()
endforeach()

configure_package_config_file(
  cmake/dvd-config.cmake.in dvd-config.cmake
  INSTALL_DESTINATION "${package_dir}" PATH_VARS CMAKE_INSTALL_INCLUDEDIR dvd_weights_install_folder
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Below 1.0 any minor version may break what used the one before.
write_basic_package_version_file(dvd-config-version.cmake COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/dvd-config.cmake" "${PROJECT_BINARY_DIR}/dvd-config-version.cmake"
              cmake/dvd-dependencies.cmake cmake/dvd-compiled-targets.cmake cmake/dvd-cuda-targets.cmake
              cmake/dvd-nccl-targets.cmake cmake/dvd-shapes_weights-targets.cmake
              cmake/FindStb.cmake cmake/FindFFmpeg.cmake cmake/FindLibZip.cmake cmake/FindcuDNN.cmake
              cmake/FindNCCL.cmake
        DESTINATION "${package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/dvd")
