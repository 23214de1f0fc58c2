# Parts of the library that need more than dvd::dvd, each a target of its own.

# Ends the configuration where a component is wanted (`wanted` is not AUTO); says that it is left out otherwise.
function(dvd_leave_out component wanted missing)
  list(JOIN missing "; " missing)
  if(wanted STREQUAL "AUTO")
    message(STATUS "dvd::${component} is left out; missing: ${missing}")
  else()
    string(TOUPPER ${component} upper)
    message(FATAL_ERROR "DVD_WITH_${upper} is ${wanted}, but something is missing: ${missing}")
  endif()
endfunction()

# Defines the headers' target dvd::COMPONENT, with dvd::dvd and the libraries that follow, unless `wanted` is OFF.
function(dvd_add_component component wanted)
  if(NOT wanted)
    return()
  endif()
  set(missing "")
  cmake_language(CALL dvd_find_${component}_dependencies missing)
  if(missing)
    dvd_leave_out(${component} ${wanted} "${missing}")
    return()
  endif()
  string(TOUPPER ${component} upper)
  add_library(dvd_${component} INTERFACE)
  add_library(dvd::${component} ALIAS dvd_${component})
  set_target_properties(dvd_${component} PROPERTIES EXPORT_NAME ${component})
  target_compile_definitions(dvd_${component} INTERFACE DVD_WITH_${upper}) # for programs that can do without
  target_link_libraries(dvd_${component} INTERFACE dvd ${ARGN})
endfunction()
