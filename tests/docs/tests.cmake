# The scripts of examples/from_pytorch, by test cases of docs.from_pytorch that are skipped otherwise: with NumPy and with
# PyTorch, of python3 or of the interpreter that DVD_PYTHON names in the environment. Elsewhere they count as not run.
if(NOT TARGET docs_from_pytorch_test OR NOT TARGET sample_videos)
  return()
endif()
add_dependencies(docs_from_pytorch_test sample_videos)
foreach(module numpy torch)
  add_test(NAME docs.from_pytorch.${module} COMMAND docs_from_pytorch_test --no-skip "--test-case=*in ${module}")
  set_tests_properties(docs.from_pytorch.${module} PROPERTIES TIMEOUT 900 SKIP_REGULAR_EXPRESSION "not run: ")
endforeach()
set_tests_properties(docs.from_pytorch.torch PROPERTIES LABELS long)
