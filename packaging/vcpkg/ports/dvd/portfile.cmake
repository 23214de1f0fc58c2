# Headers, and nothing compiled: dvd::compiled, dvd::cuda, dvd::nccl and dvd::shapes_weights each project compiles for itself.
#
# An overlay port, which packages the tree that it lies in: vcpkg install dvd --overlay-ports=DVD/packaging/vcpkg/ports.
# vcpkg's cache does not see changes of that tree; --no-binarycaching makes the package anew.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)
set(VCPKG_BUILD_TYPE release)

vcpkg_check_features(
    OUT_FEATURE_OPTIONS FEATURE_OPTIONS
    FEATURES
        checkpoint VCPKG_LOCK_FIND_PACKAGE_nlohmann_json
        convert VCPKG_LOCK_FIND_PACKAGE_LibZip
        convert VCPKG_LOCK_FIND_PACKAGE_Snappy
        mpi DVD_WITH_MPI
        video DVD_WITH_VIDEO
)

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        ${FEATURE_OPTIONS}
        -DDVD_BENCHMARKS=OFF
        -DDVD_EXAMPLES=OFF
        -DDVD_TESTS=OFF
        -DDVD_WITH_CUDA=OFF
        -DDVD_WITH_NCCL=OFF
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/dvd)

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/cmake" "${CURRENT_PACKAGES_DIR}/share/doc")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
