# Included by what Conan makes of its package of dvd, after the targets that it defines itself: defines dvd::compiled and
# dvd::shapes_weights, which each project compiles for itself, as dvd-config.cmake does.
get_filename_component(dvd_include_folder "${CMAKE_CURRENT_LIST_DIR}/../../../include" ABSOLUTE)
get_filename_component(dvd_weights_folder "${CMAKE_CURRENT_LIST_DIR}/../weights" ABSOLUTE)
include("${CMAKE_CURRENT_LIST_DIR}/dvd-compiled-targets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/dvd-shapes_weights-targets.cmake")
unset(dvd_include_folder)
unset(dvd_weights_folder)
