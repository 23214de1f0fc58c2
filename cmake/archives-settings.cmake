# Read by cpack, for either kind of archive, before it begins.
if(CPACK_TOPLEVEL_TAG MATCHES "Source$")
  set(CPACK_INSTALL_SCRIPTS "${CPACK_DVD_SOURCE_DIR}/cmake/archives-source.cmake")
  set(CPACK_STRIP_FILES OFF)
endif()
