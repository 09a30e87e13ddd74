# cmake -DCOMMAND=<metatape> -DPYTHON=<interpreter> -DWORK=<folder> -P check_step.cmake
# Meta-steps of the command, in f64, against the same ones in PyTorch. Skipped without PyTorch; the
# variable MT_TORCH_PYTHON may name an interpreter that has it.
foreach(candidate $ENV{MT_TORCH_PYTHON} ${PYTHON} /usr/bin/python3)
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
set(dumps "")

# dump(<recipe> <setting>...): one meta-step of two tasks, to be checked.
function(dump recipe)
  string(MAKE_C_IDENTIFIER "${recipe} ${ARGN}" name)
  set(file ${WORK}/${name}.safetensors)
  list(TRANSFORM ARGN PREPEND --set=)
  execute_process(COMMAND ${COMMAND} step --recipe ${recipe} --dtype f64 --dump ${file}
                          --set=outer.tasks=2 ${ARGN}
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  set(dumps ${dumps} ${file} PARENT_SCOPE)
endfunction()

# The recipe of a method with drawn images, and a smaller network.
macro(drawn method)
  dump(glyphs-5w1s-${method} model.width=6 ${ARGN})
endmacro()

macro(sinusoid)
  dump(sinusoid-10shot-maml model.init_deviation=0.5 ${ARGN})
endmacro()

set(steps inner.steps=3 inner.lr=0.1)
drawn(maml ${steps})
drawn(maml ${steps} inner.batch=1 task.shots=2)
drawn(maml inner.steps=2 inner.lr=0.1 model.name=resnet12 model.widths=64-160-320-640)
drawn(fomaml ${steps})
drawn(anil ${steps})
drawn(boil ${steps} model.pool=max)
drawn(metasgd inner.steps=2)
drawn(mamlpp inner.steps=3 model.pool=max)
drawn(cavia)
drawn(reptile inner.batch=3)
drawn(maml-lil)
drawn(maml-lil regularize.teacher_detach=true inner.order=first)
drawn(maml-lil inner.adapt=head regularize.amplitude=0)
drawn(shot)
drawn(oamfs outer.tasks=3)
drawn(imaml)
drawn(fobmaml)
drawn(fobmaml outer.gradient=forward_difference)
drawn(protonets task.shots=2)
drawn(r2d2)
drawn(r2d2 task.shots=3 model.width=3)
drawn(metaoptnet)
drawn(metaoptnet task.shots=3)
drawn(iamfs)
drawn(iamfs regularize.gradient_norm=0.5 regularize.information_kind=capacity)
drawn(iamfs regularize.information=0.3 regularize.information_kind=mutual head.first_order=true)
sinusoid(inner.steps=3)
sinusoid(inner.steps=3 regularize.phase=0.1 regularize.amplitude=0.01)
sinusoid(inner.adapt=context model.context=5)
sinusoid(inner.solver=ridge)

execute_process(COMMAND ${python} ${CMAKE_CURRENT_LIST_DIR}/torch_step.py check ${dumps}
                COMMAND_ERROR_IS_FATAL ANY)
