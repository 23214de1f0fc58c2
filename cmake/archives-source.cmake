# Run by cpack: puts in CMAKE_INSTALL_PREFIX what the archive of the sources holds, which is all but the tests.
file(GLOB files "${CPACK_DVD_SOURCE_DIR}/*.md" "${CPACK_DVD_SOURCE_DIR}/CITATION.cff")
foreach(name LICENSE CMakeLists.txt CMakePresets.json)
  list(APPEND files "${CPACK_DVD_SOURCE_DIR}/${name}")
endforeach()
foreach(folder benchmarks cmake docs examples include packaging weights)
  list(APPEND files "${CPACK_DVD_SOURCE_DIR}/${folder}")
endforeach()
file(COPY ${files} DESTINATION "${CMAKE_INSTALL_PREFIX}" REGEX "/(test_package/build|__pycache__)$" EXCLUDE)
