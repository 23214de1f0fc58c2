# Finds FFmpeg's libraries. Defines FFmpeg::avformat, FFmpeg::avfilter, FFmpeg::avcodec, FFmpeg::swscale, FFmpeg::avutil.
set(FFmpeg_parts avformat avfilter avcodec swscale avutil)
set(FFmpeg_variables "")
foreach(part IN LISTS FFmpeg_parts)
  find_path(FFmpeg_${part}_INCLUDE_DIR lib${part}/${part}.h)
  find_library(FFmpeg_${part}_LIBRARY ${part})
  mark_as_advanced(FFmpeg_${part}_INCLUDE_DIR FFmpeg_${part}_LIBRARY)
  list(APPEND FFmpeg_variables FFmpeg_${part}_LIBRARY FFmpeg_${part}_INCLUDE_DIR)
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(FFmpeg REQUIRED_VARS ${FFmpeg_variables})

if(FFmpeg_FOUND)
  foreach(part IN LISTS FFmpeg_parts)
    if(NOT TARGET FFmpeg::${part})
      add_library(FFmpeg::${part} UNKNOWN IMPORTED)
      set_target_properties(
        FFmpeg::${part} PROPERTIES IMPORTED_LOCATION "${FFmpeg_${part}_LIBRARY}"
                                   INTERFACE_INCLUDE_DIRECTORIES "${FFmpeg_${part}_INCLUDE_DIR}")
    endif()
  endforeach()
endif()
unset(FFmpeg_parts)
unset(FFmpeg_variables)
