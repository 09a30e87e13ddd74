# cmake -DCOMMAND=<metatape> -DPYTHON=<interpreter> -DWORK=<folder> -P check_step.cmake
# Meta-steps of the command, in f64, against the same ones in PyTorch. Skipped without PyTorch.
foreach(candidate ${PYTHON} /usr/bin/python3)
  set(python ${candidate})
  execute_process(COMMAND ${python} -c "import numpy, torch" RESULT_VARIABLE missing
                  OUTPUT_QUIET ERROR_VARIABLE reason)
  if(missing EQUAL 0)
    break()
  endif()
endforeach()
if(NOT missing EQUAL 0)
  string(REGEX MATCH "[^\n]*Error[^\n]*" reason "${reason}")
  message("skipped: ${PYTHON} cannot import numpy and torch (${reason})")
  return()
endif()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

# check(<name> <argument>...): dumps one meta-step and has PyTorch compute it again.
function(check name)
  set(dump ${WORK}/${name}.safetensors)
  execute_process(COMMAND ${COMMAND} step --dtype f64 --dump ${dump} ${ARGN}
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${python} ${CMAKE_CURRENT_LIST_DIR}/torch_maml.py check ${dump}
                  COMMAND_ERROR_IS_FATAL ANY)
endfunction()

check(glyphs_maml --set model.width=6 --set outer.tasks=2 --set inner.steps=3 --set inner.lr=0.1)
check(glyphs_resnet12 --set model.name=resnet12 --set model.width=3
      --set model.widths=64-160-320-640 --set outer.tasks=2 --set inner.steps=2 --set inner.lr=0.1)
check(sinusoid_maml --recipe sinusoid-10shot-maml --set model.init_deviation=0.5
      --set inner.steps=3)
