# Tests of ranks that are processes: programs that a launcher starts, of whichever MPI was found.
if(NOT TARGET dvd::mpi)
  return()
endif()
# Debian ends the names of what belongs to one of several MPIs alike: mpicxx.mpich, mpiexec.mpich.
get_filename_component(ending "${MPI_CXX_COMPILER}" LAST_EXT)
find_program(DVD_MPIEXEC NAMES "mpiexec${ending}" "${MPIEXEC_EXECUTABLE}")
mark_as_advanced(DVD_MPIEXEC)
if(NOT DVD_MPIEXEC)
  return()
endif()

# More ranks than cores, on any of them, as whatever user the tests run as: what Open MPI 4, and then 5, wants to be told.
# What MPI itself keeps to the end is no leak of ours.
set(dvd_mpi_environment
    OMPI_ALLOW_RUN_AS_ROOT=1
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    OMPI_MCA_rmaps_base_oversubscribe=1
    OMPI_MCA_hwloc_base_binding_policy=none
    PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
    PRTE_MCA_hwloc_default_binding_policy=none
    ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1)

add_executable(mpi_ranks distributed/mpi_ranks.cpp)
set_target_properties(mpi_ranks PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/bin")
dvd_link_test(mpi_ranks distributed/mpi_ranks.cpp)
target_link_libraries(mpi_ranks PRIVATE dvd::mpi)

add_dependencies(distributed_mpi_communicator_test mpi_ranks)
target_compile_definitions(distributed_mpi_communicator_test PRIVATE DVD_TEST_MPIEXEC="${DVD_MPIEXEC}"
                                                                      DVD_TEST_MPI_RANKS="$<TARGET_FILE:mpi_ranks>")
set_property(TEST distributed.mpi_communicator APPEND PROPERTY ENVIRONMENT ${dvd_mpi_environment})
set_tests_properties(distributed.mpi_communicator PROPERTIES COST 100) # it mostly waits: first, beside others

# As root it makes networks of its own, which is for those who ask for it.
add_test(NAME distributed.namespaces COMMAND bash "${CMAKE_CURRENT_SOURCE_DIR}/distributed/namespaces.sh"
                                             "${DVD_MPIEXEC}" "$<TARGET_FILE:mpi_ranks>")
set_tests_properties(
  distributed.namespaces PROPERTIES TIMEOUT 300 PROCESSORS 2 LABELS long SKIP_REGULAR_EXPRESSION "not run: " ENVIRONMENT
                                    "${dvd_mpi_environment}")

# Programs that share their work over ranks.
foreach(name ranks spread)
  if(TARGET programs_${name}_test)
    target_compile_definitions(programs_${name}_test PRIVATE DVD_TEST_MPIEXEC="${DVD_MPIEXEC}")
    set_property(TEST programs.${name} APPEND PROPERTY ENVIRONMENT ${dvd_mpi_environment})
    set_tests_properties(programs.${name} PROPERTIES COST 100)
  endif()
endforeach()
