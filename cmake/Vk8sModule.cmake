# vk8s_module(NAME [DEPENDS module...] [LIBRARIES target...] [TEST_LIBRARIES target...]
#             [APART label...])
#
# A module is a folder, a namespace and a library of one name: src/kube holds
# namespace vk8s::kube and the target vk8s_kube. Every *.cc of the folder
# belongs to it; *_test.cc become vk8s_NAME_test. A test's label is unit unless
# its file ends in _integration_test.cc, _root_test.cc, _e2e_test.cc or _long_test.cc; each
# label is a program of its own (vk8s_NAME_root_test, ...), run as one ctest. APART addons: what is in
# addons_e2e_test.cc takes so much that it has a label and a program of its own
# (vk8s_NAME_addons_test).
#
# In the preset fuzz each *_fuzz.cc becomes a fuzz target, see vk8s_fuzz(); in the others it is
# compiled, no more: what a change breaks there shows at once.
#
# Layers: a module may depend only on modules declared before it.
define_property(GLOBAL PROPERTY VK8S_MODULES BRIEF_DOCS "modules declared so far")

option(VK8S_FUZZ "build fuzz targets; the preset fuzz has the compiler and the flags" OFF)

function(vk8s_warnings target)
  # Warnings are judged by the compiler of the releases.
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Werror
                         # Designated initializers leave defaults out on purpose.
                         -Wno-missing-field-initializers)
endfunction()

# The code of tests is not what is tested: compiled for speed of compilation. Expanding
# googlemock with every check of UBSan costs more than all the rest of such a build.
function(vk8s_test_options target)
  target_compile_options(${target} PRIVATE -O0 -fno-sanitize=undefined -fno-profile-arcs
                         -fno-test-coverage)
endfunction()

# A program without a library in its file system; sanitizers and coverage have no
# static runtime that would do.
function(vk8s_static target)
  target_compile_options(${target} PRIVATE -fno-sanitize=all -fno-profile-arcs -fno-test-coverage)
  target_link_options(${target} PRIVATE -static -fno-sanitize=all)
endfunction()

# vk8s_fuzz(MODULE FILE): src/MODULE/x_fuzz.cc is the libFuzzer program MODULE_x_fuzz. All of them:
# the target "fuzz". Inputs to begin with lie in src/MODULE/fuzz_corpus/x.
function(vk8s_fuzz module file)
  get_filename_component(stem ${file} NAME_WE)
  set(program ${module}_${stem})
  add_executable(${program} EXCLUDE_FROM_ALL ${file})
  vk8s_warnings(${program})
  target_link_libraries(${program} PRIVATE vk8s_${module})
  target_link_options(${program} PRIVATE -fsanitize=fuzzer)
  if(NOT TARGET fuzz)
    add_custom_target(fuzz)
  endif()
  add_dependencies(fuzz ${program})
endfunction()

function(vk8s_module name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LIBRARIES;TEST_LIBRARIES;APART" ${ARGN})
  get_property(earlier GLOBAL PROPERTY VK8S_MODULES)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  if(NOT sources)
    message(STATUS "module ${name} has no sources yet")
    set(sources ${CMAKE_SOURCE_DIR}/cmake/empty.cc)
  endif()
  add_library(vk8s_${name} STATIC ${sources})
  vk8s_warnings(vk8s_${name})
  # -iquote, not -I: <sys/mount.h> stays the system's, "sys/mount.h" is ours.
  target_compile_options(vk8s_${name} PUBLIC -iquote${CMAKE_SOURCE_DIR}/src)
  foreach(dependency IN LISTS arg_DEPENDS)
    if(NOT dependency IN_LIST earlier)
      message(FATAL_ERROR "module ${name} may not depend on ${dependency}: it is not in a lower layer")
    endif()
    target_link_libraries(vk8s_${name} PUBLIC vk8s_${dependency})
  endforeach()
  target_link_libraries(vk8s_${name} PUBLIC ${arg_LIBRARIES})
  set_property(GLOBAL APPEND PROPERTY VK8S_MODULES ${name})

  if(VK8S_FUZZ)
    foreach(file IN LISTS fuzzers)
      vk8s_fuzz(${name} ${file})
    endforeach()
  elseif(fuzzers)
    add_library(vk8s_${name}_fuzz OBJECT ${fuzzers})
    vk8s_warnings(vk8s_${name}_fuzz)
    vk8s_test_options(vk8s_${name}_fuzz)
    target_link_libraries(vk8s_${name}_fuzz PRIVATE vk8s_${name})
  endif()

  foreach(label integration root e2e long unit ${arg_APART})
    set(files ${tests})
    foreach(apart IN LISTS arg_APART)
      if(NOT label STREQUAL apart)
        list(FILTER files EXCLUDE REGEX "/${apart}_e2e_test\\.cc$")
      endif()
    endforeach()
    if(label IN_LIST arg_APART)
      list(FILTER files INCLUDE REGEX "/${label}_e2e_test\\.cc$")
      set(program vk8s_${name}_${label}_test)
    elseif(label STREQUAL "unit")
      list(FILTER files EXCLUDE REGEX "_(integration|root|e2e|long)_test\\.cc$")
      set(program vk8s_${name}_test)
    else()
      list(FILTER files INCLUDE REGEX "_${label}_test\\.cc$")
      set(program vk8s_${name}_${label}_test)
    endif()
    if(files)
      add_executable(${program} ${files})
      vk8s_warnings(${program})
      vk8s_test_options(${program})
      target_link_libraries(${program} PRIVATE vk8s_${name} ${arg_TEST_LIBRARIES} GTest::gmock_main)
      add_test(NAME ${program} COMMAND ${program})
      set(limit 600)
      if(label STREQUAL "e2e")
        set(limit 1800)
      elseif(label STREQUAL "long" OR label IN_LIST arg_APART)
        set(limit 3600)
      endif()
      set_tests_properties(${program} PROPERTIES LABELS ${label} TIMEOUT ${limit})
    endif()
  endforeach()
endfunction()

# vk8s_program(NAME DEPENDS module...): cmd/NAME/main.cc, the only kind of main.
function(vk8s_program name)
  cmake_parse_arguments(arg "" "" "DEPENDS" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/main.cc)
    return()
  endif()
  add_executable(${name} ${CMAKE_CURRENT_SOURCE_DIR}/${name}/main.cc)
  vk8s_warnings(${name})
  foreach(dependency IN LISTS arg_DEPENDS)
    target_link_libraries(${name} PRIVATE vk8s_${dependency})
  endforeach()
endfunction()
