# What `cpack` makes, in the build folder: an archive a component, and with `cpack --config CPackSourceConfig.cmake` one of the
# sources. docs/packages.md says what they are for.
set(CPACK_PACKAGE_NAME dvd)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_GENERATOR TGZ)
set(CPACK_STRIP_FILES ON)

# All unpack into one folder, where the programs find what belongs to them.
set(CPACK_PACKAGE_FILE_NAME "dvd-${PROJECT_VERSION}")
set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL dvd_library)
set(CPACK_ARCHIVE_DVD_LIBRARY_FILE_NAME "dvd-${PROJECT_VERSION}-library")
if(TARGET sample_videos)
  list(APPEND CPACK_COMPONENTS_ALL dvd_programs)
  set(CPACK_ARCHIVE_DVD_PROGRAMS_FILE_NAME
      "dvd-${PROJECT_VERSION}-programs-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}")
  if(DVD_NATIVE) # they may not run on another machine
    string(APPEND CPACK_ARCHIVE_DVD_PROGRAMS_FILE_NAME "-native")
  endif()
endif()

# The sources are copied by a script that names what belongs there: a checkout may hold anything.
set(CPACK_SOURCE_GENERATOR TGZ)
set(CPACK_SOURCE_PACKAGE_FILE_NAME "dvd-${PROJECT_VERSION}-source")
set(CPACK_SOURCE_INSTALLED_DIRECTORIES "")
set(CPACK_PROJECT_CONFIG_FILE "${PROJECT_SOURCE_DIR}/cmake/archives-settings.cmake")
set(CPACK_DVD_SOURCE_DIR "${PROJECT_SOURCE_DIR}")
include(CPack)
